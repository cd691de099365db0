"""What lies in code and in data is one object, as it was."""

import functools
import sys

SENTINEL = "a sentence that no compiler interns"
FIELDS = ("x", "y z", ("nested", 7))


class Point:
    kind = "some kind"

    def __init__(self, x):
        self.x, self.label = x, "of the sort"


def told():
    return "in progress, as ever"


def words():
    return b"bytes, too", ("tuples of", ("constants", 3, None)), "name_like"


@functools.wraps(words)
def wrapper(*args, **keywords):
    return words(*args, **keywords)


def closed(function=lambda: "behind a closure"):
    return lambda: function()


through = closed()
cached = functools.lru_cache(lambda: "behind a cache")
sets = functools.partial(lambda word: word in {"one word", "another word", "a third"}, "one word")


def make():
    words_of = {"state": told(), "words": words(), "closed": through(), "cached": cached.__wrapped__()}
    point = Point(1)
    return (
        words_of, point, list(vars(point)), list(vars(Point)), list(globals()), wrapper(), told.__doc__, make.__name__,
        "".join(["un", "interned"]), sys.intern("".join(["inter", "ned"])),
    )  # fmt: skip


def check(made):
    words_of, point, attributes, names, world, wrapped, doc, name, loose, interned = made
    assert words_of["state"] is told()
    assert all(mine is theirs for mine, theirs in zip(words_of["words"], words(), strict=True))
    assert all(mine is theirs for mine, theirs in zip(wrapped, words(), strict=True))
    assert words_of["words"][1][1] is words()[1][1]
    assert words_of["closed"] is through() and words_of["cached"] is cached.__wrapped__()
    assert point.label is Point(2).label and Point.kind is vars(Point)["kind"]
    assert all(mine is theirs for mine, theirs in zip(attributes, vars(Point(3)), strict=True))
    assert [] == [mine for mine, theirs in zip(sorted(names), sorted(vars(Point)), strict=True) if mine is not theirs]
    assert all(sys.intern(each) is each for each in (*attributes, *names, *world, *words_of))
    assert doc is None and name is make.__name__ is make.__code__.co_name
    assert loose == "uninterned" and sys.intern("uninterned") is not loose
    assert interned == "interned"
    assert sets() and sets.func("another word") and not sets.func("none")
