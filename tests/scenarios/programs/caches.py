"""lru_cache with what it holds, cached_property, compiled patterns and their matches."""

import functools
import re


@functools.lru_cache(maxsize=64)
def slow(number):
    computed.append(number)
    for _ in range(80_000):
        pass
    return number * number


@functools.cache
def fibonacci(number):
    return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)


class Lazy:
    made = 0

    @functools.cached_property
    def value(self):
        Lazy.made += 1
        return Lazy.made


computed = []
pattern = re.compile(r"(?P<word>\w+)-(\d+)", re.IGNORECASE)
lazies = [Lazy() for _ in range(10)]
match = None
for step in range(500):
    slow(step % 80)
    fibonacci(step)
    lazies[step % 10].value
    match = pattern.search(f"see Item-{step} here")
    for _ in range(80_000):
        pass
print(
    slow.cache_info(),
    fibonacci.cache_info(),
    len(computed),
    Lazy.made,
    [lazy.value for lazy in lazies],
)
print(match["word"], match.span(2), match.re is pattern, match.string, fibonacci(300))
