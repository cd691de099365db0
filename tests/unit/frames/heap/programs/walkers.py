import struct
import xml.etree.ElementTree as ET
from collections import OrderedDict


class Own(OrderedDict):
    def keys(self):
        raise AssertionError("asked")

    __iter__ = values = items = keys


def ordered():
    whole = OrderedDict((key, key * 2) for key in "abcdef")
    over = [iter(whole), iter(whole.values()), iter(whole.items()), reversed(whole), reversed(whole.items()),
            iter(whole), iter(whole)]
    for steps, each in enumerate(over[:-1]):
        for _ in range(steps):
            next(each)
    for _ in over[-1]:
        pass
    changed = OrderedDict.fromkeys("abc")
    mutated, moved = iter(changed), iter(changed.items())
    next(mutated)
    changed["d"] = 1
    later = reversed(changed)
    next(later)
    holds = OrderedDict(x=1, y=2)
    holds["itself"] = iter(holds.values())
    own = Own(a=1, b=2)
    inner = OrderedDict.__iter__(own)
    next(inner)
    complained = iter(changed)
    changed["e"] = 1
    try:
        next(complained)
    except RuntimeError:
        pass
    return whole, over, mutated, moved, changed, later, holds, own, inner, complained


def check_ordered(whole, over, mutated, moved, changed, later, holds, own, inner, complained):
    kinds = [type(each) for each in over]
    assert set(kinds) == {type(iter(OrderedDict()))} and type(inner) is kinds[0]
    pairs = [(key, key * 2) for key in "abcdef"]
    assert [list(each) for each in over] == [
        list("abcdef"), [value for _, value in pairs[1:]], pairs[2:], list("cba"), pairs[1::-1], ["f"], [],
    ]
    for each in (mutated, moved, later, holds["itself"]):
        try:
            next(each)
            raise SystemExit("it did not complain")
        except RuntimeError as error:
            assert "mutated" in str(error) or "changed size" in str(error), error
    assert list(complained) == [] and list(inner) == ["b"] and list(changed) == list("abcde")
    again = iter(whole)
    next(again)
    whole["g"] = 1
    try:
        next(again)
        raise SystemExit("it did not complain")
    except RuntimeError:
        pass


def records():
    source, layout = bytearray(range(16)), struct.Struct("<HBx")
    view = memoryview(source)[4:]
    over = [struct.iter_unpack("<I", bytes(16)), layout.iter_unpack(source), layout.iter_unpack(view),
            struct.iter_unpack("B", b"ab"), struct.iter_unpack("B", b"")]
    next(over[1])
    next(over[2])
    assert len(list(over[3])) == 2
    return source, over


def check_records(source, over):
    assert len(list(over[0])) == 4
    source[4] = 99
    source[8] = 77
    assert list(over[1]) == [(0x0563, 6), (0x094D, 10), (0x0D0C, 14)]
    assert list(over[2]) == [(0x094D, 10), (0x0D0C, 14)] and list(over[3]) == list(over[4]) == []
    del over[:]
    source.append(1)  # nobody holds its memory any more


def trees():
    root = ET.fromstring("<a>1<b>2<c/>3</b>4<b><c>5</c></b>6</a>")
    deep = leaf = ET.Element("deep")
    for _ in range(100):
        leaf = ET.SubElement(leaf, "deeper")
    over = [root.iter(), root.iter("b"), root.itertext(), root.iter(), root.iter(), deep.iter()]
    for each in over[1:3]:
        next(each)
    assert next(over[3]) is root
    for _ in over[4]:
        pass
    for _ in range(90):
        next(over[5])
    return root, deep, leaf, over


def check_trees(root, deep, leaf, over):
    assert [each.tag for each in over[0]] == ["a", "b", "c", "b", "c"]
    assert list(over[1]) == [root[1]] and list(over[2]) == ["2", "3", "4", "5", "6"]
    root.insert(0, ET.Element("new"))
    assert [each.tag for each in over[3]] == ["new", "b", "c", "b", "c"] and list(over[4]) == []
    left = list(over[5])
    assert len(left) == 11 and left[-1] is leaf


def make():
    return ordered(), records(), trees()


def check(made):
    check_ordered(*made[0])
    check_records(*made[1])
    check_trees(*made[2])
