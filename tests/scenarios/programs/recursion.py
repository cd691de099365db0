"""Recursion that branches: a search with its state in locals, in a shared list and in return values."""


def place(row, columns, solutions):
    if row == SIZE:
        solutions.append(tuple(columns))
        return 1
    found = 0
    for column in range(SIZE):
        if all(column != other and abs(column - other) != row - up for up, other in enumerate(columns)):
            columns.append(column)
            for _ in range(8_000):
                pass
            found += place(row + 1, columns, solutions)
            columns.pop()
    return found


SIZE = 9
solutions = []
print(place(0, [], solutions), solutions[0], solutions[-1], hash(tuple(solutions)))
SIZE = 8
print(place(0, [], solutions), len(solutions))
