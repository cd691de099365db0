"""Containers, iterators in place, and orders."""

import collections
import itertools


class Hashed:
    def __init__(self, n):
        self.n = n

    def __hash__(self):
        return hash(self.n)

    def __eq__(self, other):
        return self.n == other.n


def make():
    m = {}
    m["self"] = m
    m["set"] = {5, 700, *range(100, 140)}
    for i in range(100, 140):
        m["set"].discard(i)
    m["order"] = list(m["set"])
    m["names"] = set("the quick brown fox jumps over the lazy dog".split()) - {"fox"}
    m["names order"] = list(m["names"])
    m["copied"] = m["names"].copy()
    m["copied order"] = list(m["copied"])
    m["frozen"] = frozenset(m["set"])
    m["frozen order"] = list(m["frozen"])
    m["list iterator"] = iter([1, 2, 3])
    next(m["list iterator"])
    m["dict"] = {"a": 1, "b": 2, "c": 3}
    m["dict iterator"] = iter(m["dict"])
    next(m["dict iterator"])
    m["late"] = {Hashed(i): i for i in range(5)}
    m["late iterator"] = iter(m["late"].items())
    next(m["late iterator"])
    m["set iterator"] = iter(m["set"])
    next(m["set iterator"])
    m["reversed dict"] = reversed(m["dict"])
    next(m["reversed dict"])
    ring = collections.deque([1, 2], maxlen=5)
    ring.append(ring)
    m["deque"] = ring
    m["deque iterator"] = iter(collections.deque("abc"))
    next(m["deque iterator"])
    m["ordered"] = collections.OrderedDict([(1, 2), (0, 1)])
    m["ordered"].move_to_end(1)
    m["counter"] = collections.Counter("hello")
    m["default"] = collections.defaultdict(list, {1: [2]})
    m["chainmap"] = collections.ChainMap({"x": 1}, m["dict"])
    m["count"] = itertools.count(3)
    next(m["count"])
    m["chain"] = itertools.chain([1, 2], [3])
    next(m["chain"])
    m["cycle"] = itertools.cycle("ab")
    next(m["cycle"])
    m["islice"] = itertools.islice(range(10), 2, 9, 3)
    next(m["islice"])
    m["zip"] = zip([1, 2], [3, 4])
    next(m["zip"])
    m["enumerate"] = enumerate("ab")
    next(m["enumerate"])
    m["map"] = map(str, [1, 2])
    m["reversed"] = reversed([1, 2, 3])
    next(m["reversed"])
    m["range"] = iter(range(5))
    next(m["range"])
    m["str"] = iter("añb")
    next(m["str"])
    m["views"] = (m["dict"].keys(), m["dict"].values(), m["dict"].items())
    m["tuple"] = (m["dict"], (m["dict"],))
    m["done"] = iter({1: 2})
    list(m["done"])
    m["sequence"] = iter(bytearray(b"abc"))
    next(m["sequence"])
    return m


def check(m):
    assert m["self"] is m
    assert (
        list(m["set"]) == m["order"]
        and list(m["names"]) == m["names order"]
        and list(m["copied"]) == m["copied order"]
    )
    assert list(m["frozen"]) == m["frozen order"]
    assert list(m["list iterator"]) == [2, 3] and list(m["dict iterator"]) == ["b", "c"]
    assert [k.n for k, _ in m["late iterator"]] == [1, 2, 3, 4] and m["late"][Hashed(4)] == 4
    assert list(m["set iterator"]) == m["order"][1:] and list(m["reversed dict"]) == ["b", "a"]
    assert m["deque"][2] is m["deque"] and m["deque"].maxlen == 5 and list(m["deque iterator"]) == ["b", "c"]
    assert (
        list(m["ordered"]) == [0, 1]
        and m["counter"]["l"] == 2
        and m["default"][1] == [2]
        and m["default"][5] == []
    )
    assert m["chainmap"]["b"] == 2 and m["chainmap"].maps[1] is m["dict"]
    assert (
        next(m["count"]) == 4
        and list(m["chain"]) == [2, 3]
        and next(m["cycle"]) == "b"
        and list(m["islice"]) == [5, 8]
    )
    assert list(m["zip"]) == [(2, 4)] and list(m["enumerate"]) == [(1, "b")] and list(m["map"]) == ["1", "2"]
    assert list(m["reversed"]) == [2, 1] and list(m["range"]) == [1, 2, 3, 4] and list(m["str"]) == ["ñ", "b"]
    m["dict"]["d"] = 4
    assert (
        [len(v) for v in m["views"]] == [4, 4, 4] and m["tuple"][1][0] is m["dict"] and list(m["done"]) == []
    )
    assert list(m["sequence"]) == [98, 99]
