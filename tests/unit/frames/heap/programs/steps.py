"""Awaitables of asynchronous generators: not begun, under way, over, and behind `anext` with a default."""


class Later:
    def __await__(self):
        return (yield "waiting")


async def numbers():
    got = yield 1
    yield ("got", got)
    yield (await Later(), 2)
    yield 3


async def stubborn(log):
    try:
        yield 1
    except LookupError as error:
        log.append((type(error), error.args, await Later()))
        yield 2
    finally:
        log.append(await Later())


async def keeps_on():
    for _ in range(3):
        try:
            yield 1
        except GeneratorExit:
            await Later()


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
    log = []
    thrown, closed, over = stubborn(log), stubborn(log), stubborn(log)
    for each in (thrown, closed, over):
        ended(each.asend(None))
    throwing, closing, ended_step = thrown.athrow(KeyError("x")), closed.aclose(), over.aclose()
    assert throwing.send(None) == closing.send(None) == ended_step.send(None) == "waiting"
    ended(ended_step)
    ignoring = keeps_on()
    ended(ignoring.asend(None))
    ignored = ignoring.aclose()
    assert ignored.send(None) == "waiting"
    fresh, unbegun = stubborn(log), stubborn(log)
    ended(fresh.asend(None))
    return {
        "throwing": (thrown, throwing, log), "closing": (closed, closing), "over": (over, ended_step),
        "ignoring": (ignoring, ignored),
        "to throw": (fresh, fresh.athrow(IndexError("y"))), "to close": (unbegun, unbegun.aclose()),
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
    check_thrown(made)


def check_thrown(made):
    generator, step, log = made["throwing"]
    assert log == [None] and generator.ag_running
    assert ended(step, "a") == 2 and log[1:] == [(KeyError, ("x",), "a")]
    assert not generator.ag_running
    last = generator.aclose()
    assert last.send(None) == "waiting" and ended(last, "b") is None and log[2:] == ["b"]
    generator, step = made["closing"]
    assert raised(generator.asend(None)) is not None and ended(step, "c") is None and log[3:] == ["c"]
    assert raised(generator.asend(None)) is StopAsyncIteration
    generator, step = made["over"]
    assert raised(step) is RuntimeError and raised(generator.asend(None)) is StopAsyncIteration
    generator, step = made["ignoring"]
    assert raised(step) is RuntimeError  # it has ignored GeneratorExit
    assert ended(generator.asend(None)) == 1 and raised(generator.athrow(KeyError)) is StopAsyncIteration
    generator, step = made["to throw"]
    assert step.send(None) == "waiting" and ended(step, "d") == 2 and log[4] == (IndexError, ("y",), "d")
    generator, step = made["to close"]
    assert ended(step) is None and raised(generator.asend(None)) is StopAsyncIteration


def raised(step):
    try:
        return ended(step)
    except (Exception, StopAsyncIteration) as error:
        return type(error)
