"""Planets under gravity: floats in lists, nested loops."""

import time

BODIES = [
    ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], 39.47841760435743),
    ([4.841431442, -1.160320044, -0.103622044], [0.606326392, 2.811986844, -0.02521836], 0.037693674),
    ([8.343366718, 4.124798564, -0.403523417], [-1.010774346, 1.825662371, 0.008415761], 0.011286326),
    ([12.894369562, -15.111151401, -0.223307578], [1.08279101, 0.868713018, -0.010832637], 0.001723724),
    ([15.379697114, -25.919314609, 0.179258772], [0.97909073, 0.594698998, -0.034755955], 0.002033686),
]
PAIRS = [(a, b) for i, a in enumerate(BODIES) for b in BODIES[i + 1 :]]


def advance(steps, dt=0.01):
    for _ in range(steps):
        for (here, speed, mass), (there, other_speed, other_mass) in PAIRS:
            dx, dy, dz = here[0] - there[0], here[1] - there[1], here[2] - there[2]
            pull = dt * (dx * dx + dy * dy + dz * dz) ** -1.5
            speed[0] -= dx * other_mass * pull
            speed[1] -= dy * other_mass * pull
            speed[2] -= dz * other_mass * pull
            other_speed[0] += dx * mass * pull
            other_speed[1] += dy * mass * pull
            other_speed[2] += dz * mass * pull
        for place, speed, _ in BODIES:
            place[0] += dt * speed[0]
            place[1] += dt * speed[1]
            place[2] += dt * speed[2]


def main():
    advance(60_000)
    return round(BODIES[1][0][0], 6)


if __name__ == "__main__":
    began = time.process_time()
    result = main()
    print(time.process_time() - began, result)
