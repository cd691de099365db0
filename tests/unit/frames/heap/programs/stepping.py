"""Every iterator of itertools in the middle, and what is shared between them."""

import itertools


class Counting:
    """An iterator of the program's own, which knows how often it was asked."""

    def __init__(self, items):
        self.items, self.asked = list(items), 0

    def __iter__(self):
        return self

    def __next__(self):
        self.asked += 1
        if not self.items:
            raise StopIteration
        return self.items.pop(0)


def begun():
    i = itertools
    return {
        "accumulate": (i.accumulate(Counting([1, 2, 3, 4])), 2),
        "accumulate none": (i.accumulate([None, 1], lambda a, b: (a, b)), 1),
        "accumulate initial": (i.accumulate([1, 2], max, initial=7), 0),
        "chain": (i.chain([1, 2], Counting("ab"), (3,)), 3),
        "chain from": (i.chain.from_iterable(iter(["ab", "cd"])), 1),
        "chain over": (i.chain("a"), 1),
        "combinations": (i.combinations("abcde", 3), 4),
        "combinations none": (i.combinations("ab", 3), 0),
        "with replacement": (i.combinations_with_replacement("abc", 2), 3),
        "compress": (i.compress("abcdef", Counting([1, 0, 1, 0, 1, 1])), 2),
        "dropwhile": (i.dropwhile(lambda x: x < 3, Counting([1, 2, 3, 1])), 1),
        "dropwhile new": (i.dropwhile(lambda x: x < 3, [1, 2, 3, 1]), 0),
        "filterfalse": (i.filterfalse(lambda x: x % 2, Counting(range(9))), 2),
        "islice": (i.islice(Counting(range(30)), 2, 20, 3), 2),
        "islice open": (i.islice(i.islice(i.count(2.5, 0.5), 4, None), 1, 12, 2), 3),
        "count large": (i.islice(i.count(1 << 70, 3), 5), 2),
        "count down": (i.islice(i.count(5, -1), 9), 3),
        "cycle first": (i.islice(i.cycle(Counting("abc")), 9), 2),
        "cycle later": (i.islice(i.cycle(Counting("abc")), 9), 5),
        "permutations": (i.permutations("abcd", 3), 10),
        "permutations new": (i.permutations("abc"), 0),
        "permutations none": (i.permutations("ab", 3), 0),
        "product": (i.product("ab", range(3), repeat=2), 17),
        "product of nothing": (i.product(), 0),
        "product over": (i.product("ab"), 2),
        "far in": (i.islice(i.product(range(1000), repeat=3), 300_000, 300_004), 2),
        "repeat": (i.repeat("x", 4), 1),
        "starmap": (i.starmap(pow, Counting([(2, 3), (3, 2), (1, 1)])), 1),
        "takewhile": (i.takewhile(lambda x: x < 3, Counting([1, 2, 3, 1])), 1),
        "takewhile over": (i.takewhile(lambda x: x < 3, Counting([1, 3, 1])), 2),
        "longest": (i.zip_longest("ab", Counting("cdef"), (), fillvalue="-"), 3),
        "longest new": (i.zip_longest("ab", "c"), 0),
    }


def forward(iterator, steps):
    for _ in range(steps):
        next(iterator, None)


def groups():
    return itertools.groupby(Counting([1, 3, 5, 2, 4, 7]), key=lambda x: x % 2)


def make():
    made = {"iterators": {}}
    for name, (iterator, steps) in begun().items():
        forward(iterator, steps)
        made["iterators"][name] = iterator
    first, second, third = itertools.tee(Counting(range(200)), 3)
    forward(first, 130)
    forward(second, 3)
    made["tee"] = first, second, third
    made["asked first"] = groups()
    made["group"] = next(made["asked first"])[1]
    made["within"] = groups()
    made["within group"] = next(made["within"])[1]
    next(made["within group"])
    made["ring"] = ring = []
    ring.append(itertools.chain([1], ring))
    next(ring[0])
    return made


def check(made):
    for name, (iterator, steps) in begun().items():
        forward(iterator, steps)
        kept = made["iterators"][name]
        assert type(kept) is type(iterator), name
        assert list(itertools.islice(kept, 50)) == list(itertools.islice(iterator, 50)), name
    first, second, third = made["tee"]
    assert next(first) == 130 and next(second) == 3 and next(third) == 0
    assert list(first) == list(range(131, 200)) and list(second) == list(range(4, 200))
    assert list(third) == list(range(1, 200))
    assert list(made["group"]) == [1, 3, 5]
    assert [(key, list(group)) for key, group in made["asked first"]] == [(0, [2, 4]), (1, [7])]
    assert list(made["within group"]) == [3, 5]
    assert [(key, list(group)) for key, group in made["within"]] == [(0, [2, 4]), (1, [7])]
    assert next(made["ring"][0]) is made["ring"][0]
