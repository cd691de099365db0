"""Four hundred calls deep, working on the way down, at the bottom and on the way back."""


def down(depth, path):
    local = [depth, str(depth)]
    for _ in range(40_000):
        pass
    below = down(depth - 1, path + depth) if depth else path
    for _ in range(60_000):
        pass
    return below + len(local) + int(local[1]) % 3


total = 0
for round_number in range(3):
    total += down(400, round_number)
print(total)
