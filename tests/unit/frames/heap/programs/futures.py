"""Futures and tasks of asyncio in every state, and the loop that they wait on."""

import asyncio
import contextvars
import selectors
import socket

name = contextvars.ContextVar("name", default="none")


class Marked(asyncio.Future):
    """One of a class of the program's own."""


async def wait_for(future, log):
    name.set("waiting")
    try:
        return await future, name.get()
    except ValueError as error:
        log.append(repr(error))
        raise


async def count(limit):
    for number in range(limit):
        await asyncio.sleep(0)
        yield number


async def total(limit):
    return sum([number async for number in count(limit)])


async def settle():
    for _ in range(3):
        await asyncio.sleep(0)


unmade = []  # their `__init__` has not run


def make():
    loop, log = asyncio.new_event_loop(), []
    waited, done, failed, cancelled = (loop.create_future() for _ in range(4))
    marked = Marked(loop=loop)
    marked.note, marked.me = "a note", [marked]
    marked.add_done_callback(log.append)
    done.set_result([done])
    failed.set_exception(ValueError("no"))
    cancelled.cancel("enough")
    waiting = loop.create_task(wait_for(waited, log), name="waiting")
    on_failure = loop.create_task(wait_for(failed, log))
    given_up = loop.create_task(wait_for(loop.create_future(), log))
    loop.run_until_complete(settle())
    given_up.cancel("given up")
    loop.run_until_complete(settle())
    new = loop.create_task(total(5), name="new")
    doomed = loop.create_task(total(6))
    doomed.cancel("first")
    doomed.cancel("second")
    timer = loop.call_later(0.05, log.append, "timer")
    loop._write_to_self()
    unmade.extend([asyncio.Task.__new__(asyncio.Task), Marked.__new__(Marked)])
    return [loop, log, waited, done, failed, cancelled, marked, waiting, on_failure, given_up, new, doomed, timer]


def check(made):
    loop, log, waited, done, failed, cancelled, marked, waiting, on_failure, given_up, new, doomed, timer = made
    assert type(waited) is asyncio.Future and type(waiting) is asyncio.Task and type(marked) is Marked
    assert marked.note == "a note" and marked.me == [marked]
    assert done.done() and done.result() == [done]
    assert [type(each) for each in unmade] == [asyncio.Task, Marked]
    assert all(each._loop is None for each in unmade) and unmade[0]._coro is None
    assert repr(failed.exception()) == "ValueError('no')" and cancelled.cancelled()
    try:
        cancelled.result()
    except asyncio.CancelledError as error:
        assert error.args == ("enough",)
    assert waiting.get_name() == "waiting" and waiting._fut_waiter is waited and not waiting.done()
    assert on_failure.done() and isinstance(on_failure.exception(), ValueError) and log == ["ValueError('no')"]
    assert given_up.cancelled() and not given_up._must_cancel
    assert doomed.cancelling() == 2 and doomed._must_cancel and doomed._cancel_message == "second"
    assert new.cancelling() == 0 and waited._loop is loop is new.get_loop()
    assert isinstance(loop._selector, selectors.EpollSelector) and isinstance(loop._ssock, socket.socket)
    assert loop._selector.get_key(loop._ssock).fd == loop._ssock.fileno()
    assert not loop._ssock.get_inheritable() and loop._csock.gettimeout() == 0
    assert loop._ssock.recv(10, socket.MSG_PEEK) == b"\0"

    marked.set_result(1)
    loop.call_soon(waited.set_result, "now")
    assert loop.run_until_complete(waiting) == ("now", "waiting") and name.get() == "none"
    assert loop.run_until_complete(new) == 10
    loop.run_until_complete(asyncio.sleep(0.2))
    assert log[1:] == [marked, "timer"] and timer.when() < loop.time()
    try:
        loop.run_until_complete(doomed)
    except asyncio.CancelledError as error:
        assert error.args == ("second",)
    else:
        raise AssertionError("it was not cancelled")
    loop.call_soon_threadsafe(log.append, "woken")
    loop.run_until_complete(settle())
    assert log[-1] == "woken" and asyncio.all_tasks(loop) == set()
    loop.close()
