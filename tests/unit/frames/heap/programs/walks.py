"""Iterators anywhere in containers of every kind, the program's own classes among them, met before and after these."""

import array
import collections

LENGTH = 7


class OwnList(list): ...


class OwnTuple(tuple): ...


class OwnSet(set): ...


class OwnFrozenset(frozenset): ...


class OwnDict(dict):
    def __len__(self):
        raise AssertionError("nobody asked for it")

    __iter__ = keys = items = __len__


class OwnDefault(collections.defaultdict): ...


class OwnOrdered(collections.OrderedDict): ...


class OwnDeque(collections.deque): ...


class OwnBytearray(bytearray): ...


class OwnArray(array.array): ...


class Hashed:
    def __init__(self, n):
        self.n = n

    def __hash__(self):
        return hash(self.n)

    def __eq__(self, other):
        return self.n == other.n

    def __repr__(self):
        return f"Hashed({self.n})"


class Indexed:
    def __len__(self):
        return LENGTH

    def __getitem__(self, index):
        if index >= LENGTH:
            raise IndexError(index)
        return index * 10


def table(cls):
    made = cls(list)
    for key in range(LENGTH):
        made[key] = [key]
    return made


MAKERS = {
    "list": lambda: list(range(LENGTH)), "own list": lambda: OwnList(range(LENGTH)),
    "own tuple": lambda: OwnTuple(range(LENGTH)), "set": lambda: set(range(LENGTH)),
    "set of hashed": lambda: set(map(Hashed, range(LENGTH))), "own set": lambda: OwnSet(range(LENGTH)),
    "own set of hashed": lambda: OwnSet(map(Hashed, range(LENGTH))),
    "own frozenset": lambda: OwnFrozenset(range(LENGTH)),
    "dict": lambda: dict.fromkeys(range(LENGTH)), "dict of hashed": lambda: dict.fromkeys(map(Hashed, range(LENGTH))),
    "own dict": lambda: OwnDict.fromkeys(range(LENGTH)),
    "own dict of hashed": lambda: OwnDict.fromkeys(map(Hashed, range(LENGTH))),
    "default": lambda: table(collections.defaultdict), "own default": lambda: table(OwnDefault),
    "counter": lambda: collections.Counter("counter"), "ordered": lambda: collections.OrderedDict.fromkeys("abcdefg"),
    "own ordered": lambda: OwnOrdered.fromkeys("abcdefg"), "deque": lambda: collections.deque(range(LENGTH)),
    "own deque": lambda: OwnDeque(range(LENGTH)), "own bytearray": lambda: OwnBytearray(b"abcdefg"),
    "own array": lambda: OwnArray("i", range(LENGTH)), "indexed": Indexed,
}  # fmt: skip
WALKS = {
    "iter": lambda obj: dict.__iter__(obj) if isinstance(obj, dict) else iter(obj), "reversed": reversed,
    "items": lambda obj: iter(dict.items(obj)), "values": lambda obj: reversed(dict.values(obj)),
    "enumerate": lambda obj: enumerate(obj), "map": lambda obj: map(str, obj),
}  # fmt: skip
ORDERS = {
    "alone": lambda obj, walk: [walk], "after": lambda obj, walk: [obj, walk],
    "before": lambda obj, walk: [walk, obj], "apart": lambda obj, walk: [{"walk": walk}, {"over": obj}],
}  # fmt: skip


def walks(steps):
    """Each kind of walk over each kind of container, so many steps on."""
    for name, maker in MAKERS.items():
        for kind, begin in WALKS.items():
            for order, arrange in ORDERS.items():
                obj = maker()
                try:
                    walk = begin(obj)
                except (TypeError, AssertionError):
                    continue
                for _ in range(steps):
                    next(walk, None)
                yield (name, kind, order, steps), walk, arrange(obj, walk)


def make():
    return [(key, walk, held) for steps in (0, 1, 3, LENGTH, LENGTH + 1) for key, walk, held in walks(steps)]


def check(made):
    wanted = [(key, walk) for steps in (0, 1, 3, LENGTH, LENGTH + 1) for key, walk, _ in walks(steps)]
    assert len(made) == len(wanted) > 700
    for (key, walk, _), (there, expected) in zip(made, wanted, strict=True):
        assert key == there
        assert repr(list(walk)) == repr(list(expected)), key
