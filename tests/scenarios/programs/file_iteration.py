"""A text file in the middle of `for line in file`, under enumerate and in a generator."""

with open("lines", "w") as made:
    made.writelines(f"{number} {'x' * (number % 50)}\n" for number in range(500))
print("made", flush=True)


def pairs(file):
    for line in file:
        yield line, next(file, "")


total = 0
with open("lines") as lines:
    for number, line in enumerate(lines):
        total += number * len(line)
        for _ in range(80_000):
            pass
        if number == 249:
            break
    for line, following in pairs(lines):
        total += len(line) - 2 * len(following)
        for _ in range(160_000):
            pass
    print(total, lines.closed)
print(lines.closed)
