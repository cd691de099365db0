"""Sets iterate and give out as they did, dicts keep their order, also where entries were deleted."""

numbers = set(range(0, 3000, 7))
for number in range(0, 3000, 14):
    numbers.discard(number)
small = {5, 700, *range(60)}
for number in range(60):
    small.discard(number)
small.update({5, 700})
words = {f"word-{number}" for number in range(200)}
frozen = frozenset(words)
table = {number: str(number) for number in range(100)}
for number in range(0, 100, 3):
    del table[number]
ready, made = set(range(0, 900, 3)), 900
trace = []
for step in range(200):
    trace.append((next(iter(small)), next(iter(words)), next(iter(table)), ready.pop(), ready.pop()))
    ready.update(range(made, made + step % 5))
    made += step % 5
    words.add(f"more-{step}")
    words.discard(f"word-{step}")
    table[f"key-{step}"] = step
    for _ in range(320_000):
        pass
print(list(small), list(numbers)[:20], list(frozen)[:5], list(words)[:5], list(table)[:5], list(table)[-3:])
print(list(ready)[:9], ready.pop(), hash(tuple(trace)), {"a", 1, 2.5, (1, 2)})
