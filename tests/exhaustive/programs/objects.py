"""Classes, inheritance, special methods, properties, descriptors: Python entered through C slots."""

from functools import partial


class Base:
    kind = "base"

    def __init__(self, a):
        self.a = a

    def go(self, n):
        return n + self.a

    @classmethod
    def made(cls, x):
        return cls(x)

    @staticmethod
    def static(x):
        return x


class Derived(Base):
    __hash__ = None

    def __init__(self, a):
        super().__init__(a + 1)
        self.b = self.calc(a)
        self.me = self

    def calc(self, x):
        return x * 2

    @property
    def p(self):
        return self.b + 1

    @p.setter
    def p(self, value):
        self.b = value
        print("set p")

    def go(self, n):
        r = super().go(n)
        return r + self.p

    def __add__(self, o):
        print("add")
        return self.b + 5

    def __radd__(self, o):
        print("radd")
        return o + self.b

    def __iadd__(self, o):
        print("iadd")
        self.b += o
        return self

    def __neg__(self):
        return -self.b

    def __getitem__(self, i):
        print("getitem", i)
        return i

    def __setitem__(self, i, v):
        print("setitem", i, v)

    def __delitem__(self, i):
        print("delitem", i)

    def __call__(self, q, *, w=0):
        print("call")
        return q + w

    def __len__(self):
        return 3

    def __eq__(self, o):
        print("eq")
        return True

    def __lt__(self, o):
        return o

    def __contains__(self, o):
        print("contains")
        return o

    def __getattr__(self, n):
        if n[:2] == "__":
            raise AttributeError(n)
        print("getattr", n)
        return n

    def __iter__(self):
        return iter([1, 2])


d = Derived(3)
print(d.b, d.me is d, d.go(1), d.p, d + 1, 1 + d, -d, d[4], d(7), d(7, w=1), d == 2, d < 0, d.zork)
print(Derived.made(2).b, Derived.static(4), d.static(5), 1 in d, 0 not in d, bool(d), not d, d[1:2])
d[1] = d.p
d.p = 9
d += 2
del d[0]
d[2:3] = 5
for x in d:
    print("x", x)
if d:
    print("true")
if d == 4 and d != 5:
    print("equal")
print(partial(Derived, 2)().b, partial(d.go, 1)(), list(map(d.go, (1, 2))))


class Empty:
    def __bool__(self):
        print("bool")
        return False


e = Empty()
print(e or "empty", not e, [1] if e else [2])
while e:
    pass


class Counted:
    def __init__(self, n):
        self.n, self.i = n, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.i == self.n:
            raise StopIteration
        self.i += 1
        return self.i


for c in Counted(2):
    print("counted", c)
else:
    print("over")
for c in Counted(0):
    print("never")
for a in Counted(2):
    for b in Counted(a):
        if b == 2:
            break
        print(a, b)


class Left:
    def __init__(self, v):
        self.v = v

    def __add__(self, o):
        if isinstance(o, Left):
            return self.v + o.v
        return NotImplemented

    def __eq__(self, o):
        return self.v == o.v if isinstance(o, Left) else NotImplemented

    def __lt__(self, o):
        return self.v < o.v if isinstance(o, Left) else NotImplemented


class Right:
    def __radd__(self, o):
        return ("right", o.v)

    def __eq__(self, o):
        return "eq from the right"

    def __gt__(self, o):
        return "gt from the right"


print(Left(1) + Left(2), Left(1) + Right(), Left(1) == Left(1), Left(1) == Right(), Left(1) == 5, Left(1) < Right())
print(Left(1) != Left(1), Left(1) != 3)
try:
    Left(1) + 1
except TypeError as error:
    print(error)
try:
    Left(1) < 1
except TypeError as error:
    print(error)


class Typed:
    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, obj, owner=None):
        return self if obj is None else obj.__dict__.get(self.name, 0)

    def __set__(self, obj, value):
        obj.__dict__[self.name] = value + 1


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self):
        self.a = 1

    def __repr__(self):
        return f"Slotted({self.a})"

    def __format__(self, spec):
        return f"<{self.a}{spec}>"


class Holder:
    value = Typed()

    def __getattribute__(self, name):
        return object.__getattribute__(self, name)


h = Holder()
h.value = 4
print(h.value, f"{Slotted()!r} {Slotted()} {Slotted():5}", Slotted())


class Meta(type):
    def __call__(cls, *args):
        made = super().__call__(*args)
        made.through = cls.__name__
        return made


class Managed(metaclass=Meta):
    def __init__(self, n=0):
        self.n = n

    def __enter__(self):
        return self

    def __exit__(self, *info):
        print("leave", self.n)


class New:
    def __new__(cls, n):
        self = super().__new__(cls)
        self.n = n
        return self

    def __init__(self, n):
        self.n += n


with Managed(3) as m, Managed():
    print(m.through, New(4).n)


def wrapped(f):
    def run(*args, **kwargs):
        return f(*args, **kwargs) + 1

    return run


@wrapped
def decorated(a, b=2):
    return a + b


print(decorated(1), decorated(1, b=5))


class Stack(list):
    def append(self, v):
        super().append(v * 2)

    def __missing__(self, k):
        return k


class Table(dict):
    def __missing__(self, k):
        self[k] = v = len(self)
        return v


s = Stack()
s.append(4)
t = Table()
print(s, t["a"], t["b"], t["a"])
print(eval("decorated(2)"), exec("q = decorated(3)"), q)
