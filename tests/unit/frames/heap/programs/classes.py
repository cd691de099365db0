"""Classes and instances: what machinery made is not made again, and nobody's __init__ runs."""

import abc
import collections
import dataclasses
import enum
import typing


class Slotted:
    __slots__ = ("a", "__b", "__weakref__")

    def __init__(self):
        self.a = 1
        self.__b = 2

    def b(self):
        return self.__b


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 3


class Color(enum.Enum):
    RED = 1
    GREEN = 2

    def low(self):
        return self.name.lower()


class Flags(enum.IntFlag):
    A = 1
    B = 2


class Base(abc.ABC):
    known = []

    def __init_subclass__(cls, **more):
        Base.known.append(cls.__name__)

    @abc.abstractmethod
    def f(self): ...


class Derived(Base):
    def f(self):
        return super().__repr__ and __class__.__name__


class Virtual:
    pass


Base.register(Virtual)


class Hashed:
    def __init__(self, n):
        self.n = n

    def __hash__(self):
        return hash(("Hashed", self.n))

    def __eq__(self, other):
        return self.n == other.n


class Identified:
    pass


KNOWN = frozenset([Hashed(31), (Hashed(32), 3), Identified, frozenset([Hashed(33)])])


class Many(list):
    pass


class Missing(dict):
    def __missing__(self, key):
        return "m"

    def items(self):
        raise RuntimeError

    def __iter__(self):
        raise RuntimeError


class Guarded:
    def __setattr__(self, name, value):
        raise AttributeError(name)

    def __getattribute__(self, name):
        raise AttributeError(name)

    def __reduce_ex__(self, protocol):
        raise RuntimeError


class Meta(type):
    def __init__(cls, *_, **__):
        cls.made = getattr(cls, "made", 0) + 1

    @property
    def label(cls):
        return "label of " + cls.__name__


class WithMeta(metaclass=Meta):
    pass


Pair = collections.namedtuple("Pair", "a b")


class Typed(typing.NamedTuple):
    q: int
    w: str = "x"


T = typing.TypeVar("T")


class Box(typing.Generic[T]):
    def __init__(self, x: T):
        self.x = x


class Descriptor:
    def __set_name__(self, owner, name):
        self.name = name
        self.times = getattr(self, "times", 0) + 1

    def __get__(self, instance, owner):
        return self.name


class Described:
    d = Descriptor()


class Shadowing:
    @property
    def x(self):
        return self.__dict__["x"]


class Kept:
    def __getstate__(self):
        return {}


class Str(str):
    pass


class Int(int):
    pass


def make():
    g = object.__new__(Guarded)
    object.__setattr__(g, "z", 1)
    object.__setattr__(g, "a", 2)
    many = Many([1])
    many.append(many)
    many.note = 3
    shadowing = Shadowing()
    shadowing.__dict__["x"] = 4
    kept = Kept()
    kept.cache = [1]
    s = Str("s")
    s.more = 1
    i = Int(7)
    i.more = 2
    return {
        "slotted": Slotted(),
        "point": Point(1),
        "color": Color.RED,
        "flags": Flags.A | Flags.B,
        "derived": Derived(),
        "dict": {Hashed(1): "one", Hashed(2): Hashed(3)},
        "set": {Hashed(i) for i in range(20)},
        "frozen": {frozenset([Hashed(7), frozenset([Hashed(8)])]): 1},
        "many": many,
        "missing": Missing(a=1),
        "guarded": g,
        "pair": Pair(1, [2]),
        "typed": Typed(4),
        "box": Box[int](3),
        "alias": Box[int],
        "shadowing": shadowing,
        "kept": kept,
        "str": s,
        "int": i,
        "super": super(Derived, Derived()),
        "nothing": Slotted.__new__(Slotted),
    }


def check(m):
    assert (m["slotted"].a, m["slotted"].b()) == (1, 2) and not hasattr(m["nothing"], "a")
    assert m["point"] == Point(1, 3) and hash(m["point"]) == hash(Point(1, 3))
    assert (
        m["color"] is Color.RED is Color(1) is Color["RED"]
        and Color.RED.low() == "red"
        and list(Color)[1].value == 2
    )
    assert m["flags"] is Flags(3) and Flags.A | Flags.B is not None and isinstance(m["flags"], Flags)
    assert m["derived"].f() == "Derived" and isinstance(Virtual(), Base) and not isinstance(Slotted(), Base)
    assert Base.known == ["Derived"], Base.known
    try:
        Base()
    except TypeError:
        pass
    else:
        raise AssertionError
    assert (
        m["dict"][Hashed(1)] == "one"
        and m["dict"][Hashed(2)].n == 3
        and Hashed(19) in m["set"]
        and len(m["set"]) == 20
    )
    assert m["frozen"][frozenset([frozenset([Hashed(8)]), Hashed(7)])] == 1
    assert m["many"][1] is m["many"] and m["many"].note == 3 and type(m["many"]) is Many
    assert m["missing"]["a"] == 1 and m["missing"]["q"] == "m"
    assert list(object.__getattribute__(m["guarded"], "__dict__").items()) == [("z", 1), ("a", 2)]
    assert WithMeta.made == 1 and WithMeta.label == "label of WithMeta"
    assert (
        m["pair"].b == [2]
        and m["typed"].w == "x"
        and m["box"].x == 3
        and m["alias"] == Box[int]
        and Box.__parameters__ == (T,)
    )
    assert Described().d == "d" and vars(Described)["d"].times == 1
    assert m["shadowing"].x == 4 and m["kept"].cache == [1]
    assert m["str"] == "s" and m["str"].more == 1 and m["int"] + 1 == 8 and m["int"].more == 2
    assert (
        Slotted.__slots__ == ("a", "__b", "__weakref__")
        and Derived.__mro__[1] is Base
        and Derived in Base.__subclasses__()
    )
    assert Hashed(31) in KNOWN and (Hashed(32), 3) in KNOWN and frozenset([Hashed(33)]) in KNOWN and len(KNOWN) == 4
    assert Hashed.__subclasses__() == []
