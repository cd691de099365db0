"""Random programs for the exhaustive test: `fuzz.py [--python X] [--seed S] [--count N] [--keep]`.

A program is a handful of functions and generators that call each other, downwards only, through every kind of boundary
(see `frames/boundary`): class calls, operators that decline, attributes, builtins, contexts, `with`, `for`, exceptions.
Each is deterministic and short, and finalizers do nothing (the locals of a traceback's frames stay behind, and so may
be finalized sooner); its images, a sample, must go on as the original does, and a chain of freezes too. An
interpreter that crashes fails the run that it was in.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

PRELUDE = '''
import contextlib, contextvars, functools, itertools, sys

budget = [400]
variable = contextvars.ContextVar("variable", default=0)
trail = []

class Broke(Exception):
    pass

def step(value, *rest):
    budget[0] -= 1
    if budget[0] < 0:
        raise Broke(value)
    trail.append(len(rest))
    return value

class Number:
    def __init__(self, n, run=None):
        self.n, self.run = n, run
    def work(self, by):
        return step(self.n + by) if self.run is None else self.run(self.n % 7)
    def __add__(self, other):
        if type(other) is Number:
            return Number(self.work(other.n) % 97, other.run)
        return NotImplemented
    def __radd__(self, other):
        return self.work(other) % 97
    def __mul__(self, other):
        self.work(1)
        return NotImplemented
    def __imul__(self, other):
        return NotImplemented if other == 2 else Number((self.n * 3) % 97, self.run)
    def __eq__(self, other):
        return self.work(0) == other.work(0) if type(other) is Number else NotImplemented
    def __lt__(self, other):
        self.work(2)
        return self.n < other.n if type(other) is Number else NotImplemented
    def __bool__(self):
        return self.work(3) % 2 == 0
    def __len__(self):
        return abs(self.work(4)) % 5
    def __hash__(self):
        return 5
    def __getitem__(self, key):
        if key == 9:
            raise IndexError(key)
        return self.work(key if type(key) is int else 8)
    def __setitem__(self, key, value):
        self.n = self.work(key) % 89
    def __contains__(self, item):
        return self.work(item) % 3
    def __call__(self, *args, **kwargs):
        return self.work(len(args) + len(kwargs))
    def __str__(self):
        return f"<{self.work(1)}>"
    __repr__ = __str__
    def __iter__(self):
        self.work(0)
        return Counter(abs(self.n) % 4, self.run)
    def __enter__(self):
        return self.work(5)
    def __exit__(self, kind, error, trace):
        self.work(6)
        return kind is KeyError
    @property
    def tidy(self):
        if self.work(1) % 4 == 0:
            raise AttributeError("tidy")
        return self.n
    def __getattr__(self, name):
        if name.startswith("no"):
            raise AttributeError(name)
        return self.work(len(name))

class Counter:
    def __init__(self, n, run):
        self.left, self.run = n, run
    def __iter__(self):
        return self
    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        return step(self.left) if self.run is None else self.run(self.left)

class Made:
    run = None
    def __new__(cls, a, b=1, *, c=2):
        made = super().__new__(cls)
        a = step(a) if cls.run is None else cls.run(a % 5)
        made.new = a
        return made
    def __init__(self, a, b=1, *, c=2):
        self.init = step(a + b + c)

class Meta(type):
    def __call__(cls, *args, **kwargs):
        made = super().__call__(*args, **kwargs)
        made.meta = step(len(args))
        return made

class MadeByMeta(Made, metaclass=Meta):
    pass

def show(*values):
    print(*values)

def plain(n):
    for each in range(n % 3):
        try:
            yield step(each)
        except KeyError:
            yield step(n)
'''

# {f} is a function of the program further down, {g} a generator, {n} a small number, {v} a local variable.
EXPRESSIONS = """
{f}({v})
{v} + {n}
step({v}, {f}({n}))
Made({v}, c={n}).init
MadeByMeta({v}, {n}).meta
Made(*[{v}], **{{"b": {f}({n})}}).new
(Number({v}, {f}) + Number({n})).n
{n} + Number({v}, {f})
len(Number({v}, {f}))
(1 if Number({v}, {f}) else 2)
(Number({v}, {f}) and {n}) == 3
(not Number({v})) + {n}
Number({v}, {f})[{n}]
({n} in Number({v}, {f})) + 1
Number({v}, {f})({n}, k={v})
len(str(Number({v}, {f}))) + len(f"{{Number({v}, {f})}} {{Number({n})!r:>9}}")
(Number({v}, {f}) == Number({n})) + 0
(Number({v}, {f}) != Number({n})) + 0
(Number({v}, {f}) < Number({n})) + 0
Number({v}, {f}).tidy
Number({v}, {f}).other
getattr(Number({v}, {f}), "nothing", {n})
hasattr(Number({v}, {f}), "tidy") + 0
next(iter(Number({v}, {f})), {n})
next({g}({v}), {n})
sum({g}({v}))
max([{v}, {f}({n})], key=lambda each: -step(each))
[{f}(each) for each in range({n} % 4)].count(1)
{{each: {f}(each) for each in {g}({v})}}.get(1, {n})
(lambda a, b={n}: {f}(a) + b)({v})
contextvars.copy_context().run({f}, {v})
contextvars.Context().run(lambda: variable.get() + {f}({n}))
functools.partial({f}, {n})()
{c}({v})
functools.reduce(lambda a, b: a + step(b), {g}({v}), 0)
len([*{g}({v}), *Number({n}, {f})])
isinstance({f}({v}), int) + 0
abs({f}({v}))
""".strip().splitlines()

STATEMENTS = """
{v} = {e}
{v} = {e} % 83
show({v}, {e})
for {v} in {g}({n}):{b}
for {v} in Number({v}, {f}):{b}
for {v} in map({f}, range({n} % 4)):{b}
for {v}, other in enumerate({g}({n})):{b}
for {v}, other in zip({g}({n}), {g}({v})):{b}
for {v} in itertools.islice({g}({n}), 2):{b}
if {e} % 2:{b}
while step({v}) % 3:{b}    {v} = {v} + 1
with Number({v}, {f}) as {v}:{b}
with contextlib.suppress(KeyError, IndexError):{b}
try:{b}except (KeyError, AttributeError, TypeError) as error:{b}    show(type(error).__name__)
try:{b}    raise KeyError({v})finally:{b}
try:{b}except IndexError:{b}else:{b}
variable.set(variable.get() + {e})
{v} = variable.get() + {n}
number = Number({v}, {f}); number *= {n}; {v} = number.n if type(number) is Number else {n}
number = Number({v}, {f}); number[{n}] = {v}; {v} = number.n
if {e} % 5 == 0: raise KeyError({v})
if {e} % 6 == 0: raise IndexError({v})
if {e} % 5 == 0: return {e}
{v} = {v} * {n} if {e} else {e}
gen = {g}({v}); next(gen, 0); {v} = {e}; gen.close()
gen = {g}({v}); next(gen, 0); show(gen.throw(KeyError({n})))
""".strip().splitlines()


class Maker:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def program(self) -> str:
        count = self.random.randrange(4, 9)
        parts = [PRELUDE]
        for level in range(count):
            parts.append(self.function(level))
            parts.append(self.generator(level))
        last = count - 1
        parts.append(
            f"Made.run = f{self.random.randrange(count)}\n"
            "for start in range(3):\n    try:\n"
            f"        show('result', f{last}(start), list(g{last}(start)))\n"
            "    except (Exception, RecursionError) as error:\n"
            "        while error is not None:\n            lines, trace = [], error.__traceback__\n"
            "            while trace is not None:\n"
            "                lines.append((trace.tb_frame.f_code.co_name, trace.tb_lineno))\n"
            "                trace = trace.tb_next\n"
            "            show(type(error).__name__, error, lines)\n            error = error.__context__\n"
            "    budget[0] = 400\n"
            "show(len(trail), sum(trail), variable.get())\n"
        )
        return "\n".join(parts)

    def function(self, level: int) -> str:
        memo = "@functools.lru_cache(None)\n" if self.random.random() < 0.2 else ""
        body = self.block(level, 1, self.random.randrange(2, 5))
        return f"{memo}def f{level}(v):\n    v = step(v % 50)\n{body}    return v % 71\n"

    def generator(self, level: int) -> str:
        lower = f"    yield from g{self.random.randrange(level)}(v)\n" if level and self.random.random() < 0.4 else ""
        body = self.block(level, 2, self.random.randrange(1, 3))
        return (
            f"def g{level}(v):\n    for v in range(v % 3 + 1):\n        try:\n            yield step(v)\n"
            f"        except KeyError as error:\n            show('thrown', error)\n            yield v\n"
            f"        finally:\n            v = v + 0\n{body}{lower}"
        ).replace(": return ", ": v = ")

    def block(self, level: int, depth: int, size: int) -> str:
        return "".join(self.statement(level, depth) for _ in range(size))

    def statement(self, level: int, depth: int) -> str:
        pad = "    " * depth
        template = self.random.choice(STATEMENTS)
        if depth > 3 and "{b}" in template:
            template = "{v} = {e}"
        out, rest = "", template
        while "{b}" in rest:
            head, _, rest = rest.partition("{b}")
            out += pad + self.fill(head, level) + "\n" + self.block(level, depth + 1, self.random.randrange(1, 3))
            while rest.startswith("    "):  # a line of the block's own
                line, found, more = self._own_line(rest)
                out += pad + self.fill(line, level) + "\n"
                rest = found + more
        return out + (pad + self.fill(rest, level) + "\n" if rest else "")

    def _own_line(self, rest: str) -> tuple[str, str, str]:
        for word in ("finally:", "except"):
            at = rest.find(word)
            if at > 0:
                return rest[:at], rest[at:], ""
        return rest, "", ""

    def fill(self, template: str, level: int) -> str:
        out = template
        while "{e}" in out:
            out = out.replace("{e}", "(" + self.random.choice(EXPRESSIONS) + ")", 1)
        while True:
            for key in ("{f}", "{g}", "{c}", "{n}", "{v}"):
                if key in out:
                    out = out.replace(key, self._name(key, level), 1)
                    break
            else:
                return out.replace("{{", "{").replace("}}", "}")

    def _name(self, key: str, level: int) -> str:
        if key == "{n}":
            return str(self.random.randrange(10))
        if key == "{v}":
            return "v"
        if not level:
            return "plain" if key == "{g}" else "step"
        return ("g" if key == "{g}" else "f") + str(self.random.randrange(level))


def main() -> int:
    from run import chain, exhaust, find_interpreter

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="an interpreter, or a version to look for")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--sample", type=int, default=20, help="one image of so many")
    options = parser.parse_args()
    python = options.python if "/" in options.python else find_interpreter(options.python)
    if python is None:
        parser.error(f"no interpreter {options.python} was found")
    good = True
    for seed in range(options.seed, options.seed + options.count):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / f"fuzz{seed}.py"
            program.write_text(Maker(seed).program())
            for report in (
                exhaust(python, program, sample=options.sample, seed=seed),
                chain(python, program, hops=6, seed=seed),
            ):
                print(report, flush=True)
                good = good and report.good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
