"""Closures that share cells, decorators, partials, bound methods, lambdas with defaults, late binding."""

import functools


def counter(start):
    count = start

    def up(by=1):
        nonlocal count
        count += by
        return count

    def read():
        return count

    return up, read


def traced(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        wrapper.calls += 1
        return function(*args, **kwargs)

    wrapper.calls = 0
    return wrapper


@traced
def add(a, b=0, /, *rest, scale=1, **named):
    return (a + b + sum(rest)) * scale + len(named)


up, read = counter(5)
late = [lambda: step for _ in range(3)]
early = [lambda step=step: step for step in range(3)]
half = functools.partial(add, 1, scale=2)
append = [].append
for step in range(300):
    up(step)
    append(half(step, step, key=1))
    for _ in range(240_000):
        pass
print(read(), add.calls, len(append.__self__), append.__self__[-1], [f() for f in late], [f() for f in early])
print(add.__wrapped__.__kwdefaults__, half.func is add, up.__closure__[0] is read.__closure__[0])
