"""Loops, calls, unpacking, closures, comprehensions, keyword arguments, in functions and at module level."""


def triangle(n):
    total = 0
    for i in range(n):
        total += i * 3
        if i % 2:
            print("i", i, total)
    return total


def loops(items, table):
    seen = []
    for a, (key, value) in zip(items, table.items()):
        seen.append((a, key, value))
        table[key] = value + 1
    for i, item in enumerate(items, 5):
        seen.append(i + item)
    for item in reversed(items):
        seen.append(-item)
    for key in table:
        seen.append(key)
    count = 0
    while True:
        count += 1
        if count > 4:
            break
        if count == 2:
            continue
        seen.append(count)
    else:
        seen.append("never")
    return seen


print(triangle(4) + triangle(2))
print([1, triangle(2), *loops([1, 2, 3], {"a": 1, "b": 2, "c": 3}), (lambda z: z * 2)(triangle(1))])
print(loops([4], {"q": 9}), {k: triangle(v) for k, v in [("x", 2), ("y", 3)]}, f"{triangle(2)!r:>4}")


def keywords(a, *args, b=2, **rest):
    print(a, args, b, sorted(rest))
    return a


print(keywords(1, 2, 3, b=triangle(1), c=5), keywords(*[1, 2], **{"z": 1}), keywords(b=3, a=keywords(7)))
x = [triangle(1), triangle(2)]
x[triangle(1)] = keywords(3)
x[0], *y = (keywords(1), keywords(2), keywords(3))
print(x, y, x is x, 1 < keywords(2) < 5, keywords(0) or keywords(6), not keywords(1))
x[0:1] = [keywords(4), keywords(5)]
del x[keywords(0)]
print(x, x[keywords(0) : keywords(1)], keywords(2) if keywords(0) else keywords(9))


def counter(start):
    count = start

    def add(k, /, *, twice=False):
        nonlocal count
        count += k * (2 if twice else 1)
        return count

    def get():
        return count

    return add, get


add, get = counter(5)
add(2)
add(3, twice=True)
print(get(), add.__closure__[0].cell_contents)


def cells(a, b=1):
    def read():
        return a, b

    a += 1
    print(read())
    del b
    try:
        read()
    except NameError:
        print("unbound")
    b = 4
    return read()


print(cells(1))


def match(subject):
    match subject:
        case {"kind": "point", "at": [x, y]}:
            return x + triangle(y)
        case (first, *rest) if triangle(first):
            return [first, rest]
        case int() | str() as single:
            return single
        case _:
            return None


print(match({"kind": "point", "at": [1, 2]}), match((2, 3, 4)), match("s"), match(None))


def depth(n):
    kept = [n]
    if n == 0:
        return 0
    kept.append(depth(n - 1) + 1)
    return kept[-1]


print(depth(8))


def comprehensions(k):
    a = [i * k for i in range(4) if i != 1]
    b = {x: y for x in a for y in (k, k + 1)}
    c = {triangle(q % 3) for q in a}
    nested = [[i + j for j in range(i)] for i in range(3)]
    total = sum(i for i in [1, 2, 3])
    return a, b, sorted(c), nested, total


print(comprehensions(2))
for text in ("one", "two"):
    while len(text) < 5:
        text += "." * triangle(1) + "!"
    print(text, end=" ")
print(sum(map(keywords, (1, 2))), sorted([3, 1, 2], key=lambda v: -v))
assert get() == 13, keywords("not reached")
import sys as system

print(system.getrecursionlimit() > 0, (walrus := triangle(2)), walrus)
