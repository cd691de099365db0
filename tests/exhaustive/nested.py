"""Random programs of nested control flow, for hypothesis (`test_fuzz.py`): what `fuzz.py` is for the boundaries of C.

A program is a few functions, generators, coroutines and classes, each of which calls those before it, built from
statements inside statements: loops with `break`, `continue` and `else`, `try` with `return` anywhere in it, `with`,
`match`, `except*`, closures with `nonlocal`, classes in functions, comprehensions in comprehensions, walks over local
containers. All of it ends: loops are short, and `tick` raises when there have been too many steps. The choices come
from a `Random`, so that hypothesis can make them, and shrink what fails.

What runs when a generator is abandoned leaves no trace: the locals of a traceback's frames do not travel, and so such a
generator may be closed sooner (docs/frames.md).
"""

from __future__ import annotations

from random import Random

PRELUDE = '''
import collections, functools

budget = [60]
trail = []

class Broke(Exception):
    pass

class Odd(ValueError):
    pass

def tick(value):
    budget[0] -= 1
    if budget[0] < 0:
        raise Broke(value)
    trail.append(value % 97 if type(value) is int else -1)
    return value

class Ring(collections.defaultdict):
    pass

class Room:
    def __init__(self, n):
        self.n = n
    def __enter__(self):
        return tick(self.n)
    def __exit__(self, kind, error, trace):
        if kind is not GeneratorExit:
            trail.append(-2)
        return kind is Odd and self.n % 2 == 0
    async def __aenter__(self):
        return await Pause(self.n)
    async def __aexit__(self, *about):
        return self.__exit__(*about)

class Pause:
    def __init__(self, n):
        self.n = n
    def __await__(self):
        got = yield self.n
        return tick(self.n + (got or 0))

class Point:
    __match_args__ = ("x", "y")
    def __init__(self, x, y):
        self.x, self.y = x, y
    def __add__(self, other):
        return Point(tick(self.x + other.x), self.y) if type(other) is Point else NotImplemented
    def __radd__(self, other):
        return tick(self.y) + other
    @property
    def sum(self):
        return tick(self.x) + self.y
    def __iter__(self):
        yield self.x
        yield tick(self.y)

def steps(coroutine):
    """What it gives, having been sent 1, 2, 3..."""
    number = None
    while True:
        try:
            coroutine.send(number)
        except StopIteration as stop:
            return stop.value
        number = (number or 0) + 1

def small(v):
    return tick(v) % 5

def few(v):
    for each in range(v % 3):
        yield tick(each)

async def soon(v):
    return await Pause(v) % 7

async def parts(v):
    for each in range(v % 3):
        yield await Pause(each)

def shown(call, *given):
    try:
        found = call(*given)
        print(call.__name__, found if type(found) in (int, list) else type(found).__name__)
    except BaseException as error:
        lines, trace = [], error.__traceback__
        while trace is not None:
            lines.append((trace.tb_frame.f_code.co_name, trace.tb_lineno))
            trace = trace.tb_next
        print(call.__name__, type(error).__name__, lines[1:])
    budget[0] = 60
'''
PLAIN, GENERATOR, COROUTINE, STREAM = "plain", "generator", "coroutine", "stream"
_DEEPEST = 4


class Nest:
    """Makes one program."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.names: dict[str, list[str]] = {
            PLAIN: ["small"],
            GENERATOR: ["few"],
            COROUTINE: ["soon"],
            STREAM: ["parts"],
        }
        self.lines: list[str] = []
        self.kind = PLAIN
        self.quiet = False  # in what may run when a generator is abandoned
        self.loops = 0
        self.fresh = 0

    def program(self) -> str:
        for number in range(self.random.randrange(2, 5)):
            self.function(number)
        calls = [f"shown({name}, {start})" for name in self.names[PLAIN][1:] for start in (2,)]
        calls += [f"shown(list, {name}(3))" for name in self.names[GENERATOR][1:]]
        calls += [f"shown(steps, {name}(4))" for name in self.names[COROUTINE][1:]]
        calls += [f"shown(steps, {name}(4).__anext__())" for name in self.names[STREAM][1:]]
        return "\n".join([PRELUDE, *self.lines, *calls, "print(len(trail), trail[-9:])", ""])

    def function(self, number: int) -> None:
        self.kind = self.pick(PLAIN, PLAIN, PLAIN, GENERATOR, COROUTINE, STREAM)
        word = "async def" if self.kind in (COROUTINE, STREAM) else "def"
        name = f"{self.kind[0]}{number}"
        self.lines.append(f"{word} {name}(v, w=1, *rest, **more):")
        self.lines.append("    xs, table = [v, w], Ring(int)")
        if self.kind in (GENERATOR, STREAM):
            self.lines.append("    yield tick(v)")
        self.block(1, self.random.randrange(2, 5))
        if self.kind not in (STREAM, GENERATOR):
            self.lines.append("    return v % 71 if type(v) is int else 0")
        self.names[self.kind].append(name)

    # statements

    def pick(self, *choices: str) -> str:
        return choices[self.random.randrange(len(choices))]

    def say(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line)

    def block(self, depth: int, size: int = 0) -> None:
        for _ in range(size or self.random.randrange(1, 3)):
            self.statement(depth)

    def statement(self, depth: int) -> None:
        simple = (self.assignment, self.assignment, self.container, self.leaving)
        nested = (
            self.loop,
            self.walk,
            self.trying,
            self.trying,
            self.room,
            self.matching,
            self.choice,
            self.closure,
            self.kind_of,
        )
        made = simple if depth >= _DEEPEST or self.random.randrange(3) == 0 else nested
        made[self.random.randrange(len(made))](depth)

    def assignment(self, depth: int) -> None:
        value = self.value()
        self.say(depth, self.pick(
            f"v = {value}", f"v = {value} % 83", f"v += {value}", f"w, v = v, {value}", f"v, *rest = {value}, w, v",
            f"w = (v := {value}) + 1", f"xs.append({value})", f"table[v % 4] += {value}",
            f"tick({value})", f"v = w = {value}",
        ))  # fmt: skip
        if self.kind in (GENERATOR, STREAM) and not self.quiet and self.random.randrange(3) == 0:
            self.say(depth, "v = (yield tick(v)) or v")

    def container(self, depth: int) -> None:
        value = self.value()
        self.say(depth, self.pick(
            f"xs = [tick(q) + {value} for q in range(3) if q != v]",
            f"table.update({{q: [p * q for p in xs if p != q].count(0) for q in range(2)}}, last={value})",
            f"xs = sorted({{{value}, w, 3}}, key=lambda q: -tick(q))[:3]",
            f"xs = [*xs[:2], *(q % 9 for q in xs[:2]), {value}]",
            "del xs[:1]", f"xs[:1] = [{value}]", f"point = Point({value}, w) + Point(1, v); v = point.sum",
            f"v = sum(map(small, [{value}, w]), 0)", f"v, w = Point({value}, w)",
        ))  # fmt: skip

    def leaving(self, depth: int) -> None:
        if self.quiet:
            self.say(depth, "w = w")
        elif self.loops and self.random.randrange(2):
            self.say(depth, self.pick("break", "continue", "if v % 2: continue", "if w % 3 == 0: break"))
        else:
            back = "return" if self.kind in (GENERATOR, STREAM) else f"return {self.value()}"
            self.say(depth, self.pick(
                f"if v % 3 == 1: {back}", f"if w % 2: raise Odd({self.value()})",
                "if w % 5 == 2: raise KeyError(v) from Odd(w)",
                "assert v % 5, v", "if v % 7 == 3: raise ExceptionGroup('both', [Odd(v), KeyError(w)])", back,
            ))  # fmt: skip

    def loop(self, depth: int) -> None:
        self.fresh += 1
        count = f"left{self.fresh}"
        self.say(depth, f"{count} = {self.random.randrange(1, 4)}")
        self.say(depth, f"while {self.pick(count, f'(tick({count}))', f'{count} > 0 < tick({count})')}:")
        self.say(depth + 1, f"{count} -= 1")
        self.body(depth)

    def walk(self, depth: int) -> None:
        over = self.pick(
            "v in range(3)", "v in xs[:3]", "v in list(xs)[::-1][:2]", "v, w in enumerate([w, 2])",
            "w, v in zip(xs[:2], 'ab')",
            "w, v in list(table.items())[:3]",
            f"v in {self.named(GENERATOR)}(tick(w) if type(w) is int else 2)", "v in Point(v, 3)",
            "v in iter(functools.partial(tick, 2), 2)", "v in {w: 1, 'k': 2}", "v, in [[1], [2]]",
            "w in reversed([v, 4])",
            "w in filter(None, map(small, [1, 2, 5]))", "q, w in Ring(int, a=1, b=2).items()",
        )  # fmt: skip
        if self.kind in (COROUTINE, STREAM) and self.random.randrange(3) == 0:
            self.say(depth, f"async for v in {self.named(STREAM)}(2):")
        else:
            self.say(depth, f"for {over}:")
        self.body(depth)

    def body(self, depth: int) -> None:
        """Of a loop."""
        self.loops += 1
        self.block(depth + 1)
        self.loops -= 1
        if self.random.randrange(3) == 0:
            self.say(depth, "else:")
            self.block(depth + 1)

    def trying(self, depth: int) -> None:
        self.say(depth, "try:")
        self.block(depth + 1)
        last = self.random.randrange(4)  # 0: only `finally`
        if last == 3 and self.kind in (PLAIN, COROUTINE):
            loops, self.loops = self.loops, 0  # no way out of `except*`
            self.say(depth, "except* (Odd, KeyError) as found:")
            self.say(depth + 1, "tick(len(found.exceptions))")
            self.loops = loops
        elif last:
            self.say(
                depth,
                self.pick("except Odd as error:", "except (KeyError, Odd):", "except Exception as error:"),
            )
            self.block(depth + 1)
            if self.random.randrange(2):
                self.say(depth + 1, "raise")
            if self.random.randrange(3) == 0:
                self.say(depth, "else:")
                self.block(depth + 1)
        if not last or self.random.randrange(3) == 0:
            self.say(depth, "finally:")
            quiet, self.quiet = self.quiet, self.quiet or self.kind in (GENERATOR, STREAM)
            if self.quiet:
                self.say(depth + 1, "w = w")
            else:
                self.block(depth + 1)
            self.quiet = quiet

    def room(self, depth: int) -> None:
        if self.kind in (COROUTINE, STREAM) and self.random.randrange(2):
            self.say(depth, "async with Room(2) as w, Room(3):")
        else:
            self.say(
                depth,
                self.pick(
                    f"with Room({self.value()}) as w:",
                    "with Room(2), Room(3) as w:",
                    "with (Room(4) as v, Room(v)):",
                ),
            )
        self.block(depth + 1)

    def matching(self, depth: int) -> None:
        self.say(depth, f"match {self.pick('v', '[v, w]', 'Point(v, w)', '{**table}', '(w, *xs)')}:")
        for case in self.random.sample((
            "0 | 1 | 2", "int(v) if tick(v) % 2", "[v, w] if w", "[_, *xs]", "Point(x=0, y=w)",
            "Point(v, w) if tick(1)",
            "{0: v, **rest}", "{'last': w}", "None",
        ), self.random.randrange(1, 4)):  # fmt: skip
            self.say(depth + 1, f"case {case}:")
            self.block(depth + 2, 1)
        self.say(depth + 1, "case _:")
        self.block(depth + 2, 1)

    def choice(self, depth: int) -> None:
        self.say(depth, f"if {self.value()} % 2:")
        self.block(depth + 1)
        if self.random.randrange(2):
            self.say(depth, self.pick("else:", f"elif (w := {self.value()}) and v:"))
            self.block(depth + 1)

    def closure(self, depth: int) -> None:
        self.fresh += 1
        name = f"inner{self.fresh}"
        kind, self.kind, loops, self.loops = self.kind, PLAIN, self.loops, 0
        self.say(depth, f"def {name}(w, k=v):")
        self.say(depth + 1, "nonlocal v, xs")
        self.say(depth + 1, "table = Ring(int, seen=k if type(k) is int else 1)")
        self.block(depth + 1)
        self.say(depth + 1, "v = w")
        self.say(depth + 1, "return k")
        self.kind, self.loops = kind, loops
        self.say(
            depth,
            self.pick(
                f"w = {name}(3)",
                f"xs = [{name}(q) for q in (1, 2)]",
                f"w = max([v, 2], key={name})",
                f"{name}(k=2, w=v)",
            ),
        )

    def kind_of(self, depth: int) -> None:
        """A class in a function."""
        self.fresh += 1
        name = f"Kind{self.fresh}"
        self.say(depth, f"class {name}(Point):")
        self.say(depth + 1, f"size = {self.random.randrange(5)}")
        self.say(depth + 1, "def __init__(self, *given):")
        self.say(depth + 2, "super().__init__(*given)")
        self.say(depth + 2, "self.size = tick(self.size) + w if type(w) is int else 0")
        self.say(depth + 1, "def __getattr__(self, name):")
        self.say(depth + 2, "return tick(len(name))")
        self.say(
            depth,
            self.pick(
                f"v = {name}(1, 2).size",
                f"v = {name}(w, 2).missing",
                f"v, w = {name}(3, 2)",
                f"v = ({name}(1, 2) + Point(1, 1)).x",
            ),
        )

    # expressions

    def named(self, kind: str) -> str:
        names = self.names[kind]
        return names[self.random.randrange(len(names))]

    def value(self, deep: int = 0) -> str:
        """An integer, mostly."""
        if deep > 1 or self.random.randrange(3) == 0:
            return self.pick("v", "w", "1", "2", "7", "xs[0]", "table[1]")
        sub, other = self.value(deep + 1), self.value(deep + 1)
        found = [
            f"({sub} + {other})", f"({sub} * 3)", f"tick({sub})", f"({sub} if {other} else {self.value(deep + 1)})",
            f"({sub} and {other})", f"{self.named(PLAIN)}({sub})", f"{self.named(PLAIN)}({sub}, *xs[:1], k={other})"
            if self.names[PLAIN][1:] and self.names[PLAIN][-1] != "small" else f"small(v={sub})",
            f"sum(q * {sub} for q in range(2))", f"len([q for q in xs for p in range(2) if tick(p) or {sub}])",
            f"(lambda q, r={sub}: q + r)({other})", f"({sub} + Point(1, 2))",
            f"Point({sub}, {other}).sum", f"[{sub}, {other}][-1]",
            f"max({sub}, {other}, key=lambda q: tick(q) % 5)", f"next({self.named(GENERATOR)}({sub}), {other})",
            f"sum({self.named(GENERATOR)}({sub}))", "len(f'{v!r:>4}{w}')",
            f"functools.reduce(lambda p, q: p + tick(q), [{sub}, {other}])",
            f"(not {sub}) + 1", f"({sub} < tick({other}) < 9) + 1", f"{{**{{1: {sub}}}, 2: {other}}}[1]",
            f"any(tick(q) > {sub} for q in range(2)) + 0", f"steps({self.named(COROUTINE)}({sub}))",
        ]  # fmt: skip
        if self.kind in (COROUTINE, STREAM):
            found += [
                f"(await {self.named(COROUTINE)}({sub}))",
                f"sum([q async for q in {self.named(STREAM)}({sub})])",
                f"(await Pause({sub}))",
            ]
        return found[self.random.randrange(len(found))]
