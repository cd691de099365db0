"""A fractal by random iteration over splines: objects with operators, attribute access."""

import itertools
import random
import time


class Vector:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __sub__(self, other):
        return Vector(self.x - other.x, self.y - other.y)

    def __mul__(self, factor):
        return Vector(self.x * factor, self.y * factor)

    def length(self):
        return (self.x * self.x + self.y * self.y) ** 0.5


class Spline:
    def __init__(self, points):
        self.points = points

    def at(self, t):
        points = self.points
        while len(points) > 1:
            points = [a * (1 - t) + b * t for a, b in itertools.pairwise(points)]
        return points[0]

    def slope(self, t, step=1e-4):
        return (self.at(t + step) - self.at(t)) * (1 / step)


def main(rounds=14_000):
    choose = random.Random(3)
    splines = [Spline([Vector(choose.random(), choose.random()) for _ in range(4)]) for _ in range(3)]
    point = Vector(0.5, 0.5)
    for _ in range(rounds):
        spline = choose.choice(splines)
        tangent = spline.slope(point.x % 0.99)
        point = spline.at(point.y % 0.99) + tangent * (0.01 / (tangent.length() + 1))
    return round(point.x, 6), round(point.y, 6)


if __name__ == "__main__":
    began = time.process_time()
    result = main()
    print(time.process_time() - began, result)
