"""singledispatch and ABC registries that grow while the program runs."""

import collections.abc
import functools
import numbers


@functools.singledispatch
def kind(value):
    return "object"


@kind.register
def _(value: int):
    return "int"


made = []
for step in range(200):
    cls = type(f"Kind{step}", (), {})
    if step % 3 == 0:
        kind.register(cls, lambda value, step=step: f"registered {step}")
    elif step % 3 == 1:
        collections.abc.Sized.register(cls)
    else:
        numbers.Number.register(cls)
    made.append(cls)
    for _ in range(360_000):
        pass
print([kind(cls()) for cls in made[:6]], kind(3), kind("x"))
print([issubclass(cls, collections.abc.Sized) for cls in made[:6]])
print(sum(isinstance(cls(), numbers.Number) for cls in made), isinstance([], collections.abc.Sized))
