"""C functions between two Python frames: class calls, attributes, operators that decline, builtins, contexts."""

import contextvars
import functools
import sys


def show(*values):
    print(*values)


# Class calls: `__new__` and then `__init__`.


class Point:
    made = 0

    def __new__(cls, x, y=2, *, z=3):
        self = super().__new__(cls)
        Point.made += 1
        x = x + 0
        self.sum = x + y + z
        return self

    def __init__(self, x, y=2, *, z=3):
        self.x, self.y, self.z = x, y, z
        x = y = z = None


class Interned(str):
    known = {}

    def __new__(cls, text):
        found = cls.known.get(text)
        if found is None:
            found = cls.known[text] = super().__new__(cls, text.upper())
        return found


class NotMine:
    def __new__(cls, *args, **kwargs):
        return (len(args), sorted(kwargs))

    def __init__(self, *args, **kwargs):
        show("never")


class Wrong:
    def __init__(self):
        self.a = 1
        return self.a


class WrongAfterNew:
    def __new__(cls, a):
        return object.__new__(cls)

    def __init__(self, a):
        return a


class Small(Point):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.small = True


class NoInit:
    def __new__(cls, a):
        made = object.__new__(cls)
        made.a = a
        return made


show(Point(1).sum, Point(1, 5).sum, Point(1, z=7).z, Point(*(4, 5), **{"z": 6}).sum, Point.made)
show(Interned("a"), Interned("a") is Interned("a"), NotMine(1, 2, key=3))
show(Small(9).sum, Small(9).small, NoInit(a=4).a, [Point(n).sum for n in range(2)])
for bad in (Wrong, functools.partial(WrongAfterNew, 3)):
    try:
        bad()
    except TypeError as error:
        show(error, error.__traceback__.tb_next)


class Counting(type):
    calls = 0

    def __call__(cls, *args, **kwargs):
        Counting.calls += 1
        made = super().__call__(*args, **kwargs)
        made.number = Counting.calls
        return made


class Plain(type):
    def __call__(cls, *args):
        return type.__call__(cls, *args)


class Counted(metaclass=Counting):
    def __new__(cls, a, b=0):
        made = super().__new__(cls)
        made.total = a + b
        return made

    def __init__(self, a, b=0):
        self.a, self.b = a, b


class Simple(metaclass=Plain):
    def __init__(self, a):
        self.a = a


first, second = Counted(1, b=2), Counted(3)
show(first.total, first.number, second.a, second.number, Simple(5).a)


# Attributes.


class Fallback:
    def __init__(self):
        self.asked = []

    @property
    def broken(self):
        self.asked.append("broken")
        raise AttributeError("inside")

    @property
    def good(self):
        return len(self.asked)

    def __getattr__(self, name):
        if name == "missing":
            raise AttributeError(f"no {name}")
        return lambda *args: (name, args)


class Watched:
    def __init__(self):
        self.value = 3

    def __getattribute__(self, name):
        if name.startswith("x"):
            raise AttributeError(name)
        return object.__getattribute__(self, name)

    def __getattr__(self, name):
        found = name * 2
        return found


class Described:
    def __get__(self, instance, owner):
        return (instance is None, owner.__name__)

    def __set__(self, instance, value):
        instance.__dict__["kept"] = value + 1


class Owner:
    field = Described()

    @functools.cached_property
    def late(self):
        return [self.field]

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)


class Child(Owner):
    @property
    def field(self):
        return super().field


odd, watched, owner = Fallback(), Watched(), Owner()
show(odd.broken(1), odd.good, odd.anything(2), odd.asked)
show(watched.xy, watched.value, owner.field, Owner.field, Child().field, owner.late, owner.late)
owner.field = 4
owner.other = 5
show(owner.kept, owner.other)
for name in ("missing", "broken", "good"):
    try:
        show(name, callable(getattr(odd, name, "default")), hasattr(odd, name))
        show(callable(getattr(odd, name)), odd.missing)
    except AttributeError as error:
        show("attribute", error, error.__context__)
setattr(owner, "field", 8)
show(vars(owner)["kept"])


# Operators that decline.


class Left:
    def __init__(self, n):
        self.n = n

    def __add__(self, other):
        show("left add")
        return NotImplemented

    def __iadd__(self, other):
        return NotImplemented if other is None else Left(self.n + other.n)

    def __lt__(self, other):
        return NotImplemented

    def __eq__(self, other):
        return self.n == other.n if isinstance(other, Left) else NotImplemented

    def __sub__(self, other):
        return NotImplemented

    def __rsub__(self, other):
        return ("rsub", self.n)

    def __hash__(self):
        return hash(self.n)


class Right(Left):
    def __radd__(self, other):
        show("right radd")
        return ("radd", other.n if isinstance(other, Left) else other)

    def __gt__(self, other):
        return "gt"


class Heir(Left):
    pass


left, right = Left(1), Right(2)
show(left + right, 5 + right, left < right, left == right, left != right, left != 3, left == 3)
show(left - Heir(4), Heir(4) - left, left - right)
left += right
show(left.n)
for attempt in (lambda: left + 1, lambda: left < 3, lambda: left - 1, lambda: left + None):
    try:
        show(attempt())
    except TypeError as error:
        trace = error.__traceback__
        while trace.tb_next:
            trace = trace.tb_next
        show(error, trace.tb_frame.f_code.co_name)


# Builtins that pass something on.


class Box:
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __bool__(self):
        return len(self) > 1

    def __repr__(self):
        return f"Box({self.items})"

    def __iter__(self):
        return Walk(self.items)

    def __hash__(self):
        return -1

    def __eq__(self, other):
        return self.items == other.items

    def __contains__(self, item):
        return self.items.count(item)

    def __abs__(self):
        return sum(self.items)

    def __int__(self):
        return len(self.items) + 100

    def __index__(self):
        return 1

    def __format__(self, spec):
        return f"<{spec}>"


class Walk:
    def __init__(self, items):
        self.items, self.at = items, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.at == len(self.items):
            raise StopIteration
        self.at += 1
        return self.items[self.at - 1]


class Bad:
    def __len__(self):
        return -1

    def __repr__(self):
        return 5

    def __iter__(self):
        return 3

    def __hash__(self):
        return "no"

    def __bool__(self):
        return 2

    def __int__(self):
        return "one"


class Kind(type):
    def __instancecheck__(cls, instance):
        return [instance]

    def __subclasscheck__(cls, other):
        return []


class Any(metaclass=Kind):
    pass


box = Box([1, 2])
show(len(box), bool(box), repr(box), str(box), hash(box), abs(box), int(box), format(box, "w"), f"{box:v} {box!r}")
show(2 in box, 5 in box, 5 not in box, isinstance(3, Any), issubclass(int, Any), not box)
walk = iter(box)
show(next(walk), next(walk), next(walk, "over"), list(map(str, box)))
for check in (len, repr, iter, hash, bool, int, lambda bad: 1 if bad else 0):
    try:
        show(check(Bad()))
    except (TypeError, ValueError) as error:
        show(type(error).__name__, error)
try:
    next(walk)
except StopIteration:
    show("stopped")
for item in map(lambda n: n * n, range(3)):
    show(item)


def stopping(n):
    if n == 2:
        raise StopIteration
    return n


for item in map(stopping, range(5)):
    show(item)
else:
    show("end")
show([item for item in Walk("ab")], {item: 1 for item in Walk("cd")})


# Contexts.

level = contextvars.ContextVar("level", default=0)


def inside(n):
    token = level.set(level.get() + n)
    show(level.get())
    if n < 3:
        contextvars.copy_context().run(inside, n + 1)
    show(level.get())
    if n == 2:
        level.reset(token)
    return level.get()


def fails():
    level.set(50)
    raise KeyError(level.get())


level.set(10)
context = contextvars.copy_context()
show(context.run(inside, 1), level.get(), context[level])
show(contextvars.Context().run(inside, n=2), level.get())
try:
    context.run(fails)
except KeyError as error:
    show(error, level.get(), context[level])


# Memoized functions.


@functools.lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


@functools.lru_cache(maxsize=2)
def power(base, exponent=2, *, scale=1):
    base = base * scale
    return base**exponent


class Table:
    @functools.lru_cache
    def row(self, n):
        return [n] if n == 0 else [*self.row(n - 1), n]


show(fib(4), fib.cache_info().currsize, power(2), power(2), power(3, exponent=3), power(2, scale=4))
table = Table()
show(table.row(2), table.row(2) is table.row(2), power.cache_info().currsize)


def module_attribute(name):
    if name == "nothing":
        raise AttributeError(name)
    return name + "!"


module = type(sys)("made")
module.__getattr__ = module_attribute
show(module.thing)
try:
    module.nothing
except AttributeError as error:
    show(error)


# What a context runs may itself be made in C, and hold something.


@functools.lru_cache(None)
def remembered(n):
    show("computed", n)
    return n + 1


show(contextvars.copy_context().run(remembered, 3), contextvars.Context().run(remembered, 3))
show(contextvars.copy_context().run(sorted, [3, 1, 2], key=lambda n: -n), contextvars.Context().run(*(remembered, 5)))
