"""Sets that were taken from give out what they would have, also those of a class of their own, and emptied ones."""


class Own(set):
    pass


def worked(kind):
    """Elements lie in the gaps of others; the next `pop` begins in the middle."""
    made = kind(f"word {number}" for number in range(300))
    for number in range(2000):
        made.add(f"more {number * 7 % 450}")
        made.discard(f"word {number * 11 % 300}")
        if number % 3 == 0:
            made.pop()
    return made


def later(made):
    return [(made.pop(), made.add(f"late {number % 90}")) for number in range(400)]


def emptied():
    made = set(range(20))
    while made:
        made.pop()
    made.update(range(40, 60))
    return made


def make():
    return worked(set), worked(Own), emptied()


def check(made):
    plain, own, refilled = made
    assert type(own) is Own
    assert later(plain) == later(worked(set)) and later(own) == later(worked(Own))
    assert [refilled.pop() for _ in range(20)] == [again.pop() for again in [emptied()] for _ in range(20)]
