"""Iterators over dicts and sets in place: with gaps, changed meanwhile, in what they go over, by address."""

import itertools
import operator
import weakref


class Key:
    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return hash(self.number)

    def __eq__(self, other):
        return self.number == other.number


class Plain:
    def __init__(self, number):
        self.number = number


class Own:
    """An iterator of the program's own; `iter()` is not to be called again."""

    def __init__(self, last):
        self.at, self.last, self.begun = 0, last, 0

    def __iter__(self):
        self.begun += 1
        return self

    def __next__(self):
        self.at += 1
        if self.at > self.last:
            raise StopIteration
        return self.at


class Tagged(map):
    def __init__(self, *_):
        self.tag = "tagged"


class Chained(itertools.chain):
    pass


class Adding:
    def __call__(self, *numbers):
        return sum(numbers)


def walk(iterator, steps=2):
    for _ in range(steps):
        next(iterator)
    return iterator


def of_gaps():
    table = dict.fromkeys(range(12), "x")
    walks = [walk(make(table)) for make in (iter, reversed, lambda d: iter(d.items()), lambda d: reversed(d.values()))]
    for gone in (0, 3, 11):
        del table[gone]
    for new in (0, 3, 11):
        table[new] = "new"
    numbers = set(range(12))
    for gone in (0, 3, 7):
        numbers.discard(gone)
    return table, walks, numbers, walk(iter(numbers))


def of_changed():
    grown, walk_of_grown = {1: 1, 2: 2}, None
    walk_of_grown = walk(iter(grown.items()), 1)
    grown[3] = 3
    elements = {1, 2, 3}
    walk_of_elements = walk(iter(elements), 1)
    elements.add(99)
    told = {1: 1, 2: 2}
    walk_of_told = walk(iter(told), 1)
    told[3] = 3
    fails(walk_of_told, "changed size")
    return walk_of_grown, walk_of_elements, walk_of_told


def of_itself():
    table = {"a": 1, "b": 2}
    table["a"] = walk(iter(table), 1)
    keyed = {Key(number): number for number in range(3)}
    keyed[Key(0)] = walk(iter(keyed.values()), 1)
    holder = Plain(0)
    holder.things = {holder, 1, 2}
    holder.walk = walk(iter(holder.things), 1)
    return table, keyed, holder


def of_addresses():
    things = {Plain(number) for number in range(50)}
    frozen, weak = frozenset(things), weakref.WeakSet(things)
    halves = []
    for over in (things, frozen, weak):
        iterator = iter(over)
        halves.append((iterator, [next(iterator).number for _ in range(25)]))
    return things, halves


def of_own():
    owns = [Own(9) for _ in range(7)]
    iterators = [
        map(Adding(), owns[0], owns[1]), zip(owns[2], itertools.count(), strict=False), filter(Adding(), owns[3]),
        enumerate(owns[4], 1 << 70), Tagged(Adding(), owns[5]), Chained(owns[6]), iter(Own(9).__next__, 7),
    ]  # fmt: skip
    return [walk(each) for each in iterators], [own.begun for own in owns], owns


def fails(iterator, text):
    try:
        next(iterator)
    except RuntimeError as error:
        assert text in str(error)
    else:
        raise AssertionError("it goes on")


def make():
    return of_gaps(), of_changed(), of_itself(), of_addresses(), of_own(), iter({}), walk(iter({1}), 1)


def check(made):
    (table, walks, numbers, of_numbers), changed, (own, keyed, holder), (things, halves), mapped, empty, last = made
    assert list(table) == [1, 2, 4, 5, 6, 7, 8, 9, 10, 0, 3, 11]
    assert [type(each).__name__ for each in walks] == [
        "dict_keyiterator", "dict_reversekeyiterator", "dict_itemiterator", "dict_reversevalueiterator"
    ]  # fmt: skip
    again = of_gaps()
    assert [outcome(each) for each in (*walks, of_numbers)] == [outcome(each) for each in (*again[1], again[3])]
    assert numbers == again[2]
    fails(changed[0], "changed size")
    fails(changed[1], "changed size")
    fails(changed[2], "changed size")
    fails(changed[2], "changed size")
    assert list(own["a"]) == ["b"] and list(keyed[Key(0)]) == [1, 2]
    assert len(list(holder.walk)) == 2 and operator.length_hint(holder.walk) == 0
    for iterator, before in halves:
        assert sorted(before + [thing.number for thing in iterator]) == list(range(50))
    assert {thing.number for thing in things} == set(range(50))
    iterators, begun, owns = mapped
    assert [own.begun for own in owns] == begun
    heads = [next(each) for each in iterators]
    assert heads == [6, (3, 2), 3, ((1 << 70) + 2, 3), 3, 3, 3], heads
    assert iterators[4].tag == "tagged" and [type(each) for each in iterators[4:6]] == [Tagged, Chained]
    assert [len(list(each)) for each in iterators] == [6, 6, 6, 6, 6, 6, 3]
    assert list(empty) == list(last) == []



def outcome(iterator):
    """What it gives, and how it ends: as many entries as there were when it began are expected."""
    seen = []
    try:
        for each in iterator:
            seen.append(each)
    except RuntimeError as error:
        seen.append(str(error))
    return seen
