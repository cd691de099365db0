"""Awaitables of asynchronous generators: not begun, under way, and behind `anext` with a default."""


class Later:
    def __await__(self):
        return (yield "waiting")


async def numbers():
    got = yield 1
    yield ("got", got)
    yield (await Later(), 2)
    yield 3


def ended(step, value=None):
    try:
        return step.send(value)
    except StopIteration as end:
        return end.value


def begun(steps):
    made = numbers()
    for _ in range(steps):
        ended(made.asend(None))
    return made


def make():
    sending, asking, waiting, asked = begun(1), begun(1), begun(2), begun(2)
    under_way, default = waiting.asend(None), anext(asked, "default")
    assert under_way.send(None) == default.send(None) == "waiting"
    return {
        "sending": (sending, sending.asend([42])),
        "asking": (asking, anext(asking, "default")),
        "under way": (waiting, under_way),
        "asked": (asked, default),
    }


def check(made):
    generator, step = made["sending"]
    assert ended(step) == ("got", [42]) and ended(generator.asend(None)) == "waiting"
    assert ended(made["asking"][1]) == ("got", None)
    for name in ("under way", "asked"):
        generator, step = made[name]
        assert ended(step, "answer") == ("answer", 2), name
        assert ended(generator.__anext__()) == 3 and ended(anext(generator, "default")) == "default"
    assert type(made["asked"][1]).__name__ == "anext_awaitable"
