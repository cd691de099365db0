"""Event loops over a move: what the interpreter knows of them, and what cannot travel. In several processes each."""

from __future__ import annotations

from pathlib import Path

import pytest
from frozen_program import refused, survive


def test_a_step_that_is_under_way_goes_on(tmp_path: Path) -> None:
    survive(
        """
        import asyncio, contextvars, threading
        name = contextvars.ContextVar("name", default="none")
        seen = []
        async def numbers(limit):
            try:
                for number in range(limit):
                    freeze()
                    await asyncio.sleep(0)
                    yield number
            finally:
                seen.append("over")
        async def inner():
            name.set("inner")
            me = asyncio.current_task()
            me.cancel("by itself")
            freeze()
            assert asyncio.current_task() is me and me.cancelling() == 1 and me._must_cancel
            assert me in asyncio.all_tasks()
            assert me.get_coro().cr_running and name.get() == "inner"
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError as error:
                freeze()
                assert error.args == ("by itself",) and me.uncancel() == 0 and not me._must_cancel
            async for number in numbers(5):
                if number == 1:
                    break
            return "done"
        async def main():
            loop, me = asyncio.get_running_loop(), asyncio.current_task()
            assert loop._thread_id == threading.get_ident()
            task = asyncio.create_task(inner(), name="inner")
            future = loop.create_future()
            loop.call_soon(lambda: (freeze(), future.set_result(asyncio.current_task())))
            assert await future is None and asyncio.get_running_loop() is loop and asyncio.current_task() is me
            assert await task == "done" and name.get() == "none"
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert seen == ["over"] and loop._thread_id == threading.get_ident()
            return asyncio.create_task(asyncio.sleep(0)).get_name()
        last = asyncio.run(main())
        assert last.startswith("Task-") and int(last[5:]) > 1 and asyncio._get_running_loop() is None
        """,
        tmp_path, moves=5,
    )  # fmt: skip


def test_an_asynchronous_generator_that_is_being_closed(tmp_path: Path) -> None:
    """By its loop, which runs the step of `aclose()` as a task; by the program; and with what is thrown into it."""
    survive(
        """
        import asyncio
        seen = []
        async def numbers(name):
            try:
                for number in range(9):
                    yield number
            except LookupError as error:
                freeze()
                await asyncio.sleep(0)
                yield error
            finally:
                freeze()
                try:
                    await asyncio.sleep(0.01)
                finally:
                    freeze()
                    seen.append(name)
        async def begun(name):
            made = numbers(name)
            await made.asend(None)
            return made
        async def main():
            await begun("dropped")
            freeze()
            while not seen:
                await asyncio.sleep(0)
            made = await begun("thrown into")
            assert type(await made.athrow(KeyError())) is KeyError
            await made.aclose()
            cancelled = asyncio.create_task((await begun("cancelled")).aclose())
            await asyncio.sleep(0)
            cancelled.cancel()
            try:
                await cancelled
            except asyncio.CancelledError:
                seen.append("so it is")
            kept = await begun("shut down")
        asyncio.run(main())
        assert seen == ["dropped", "thrown into", "cancelled", "so it is", "shut down"], seen
        """,
        tmp_path, moves=10,
    )  # fmt: skip


def test_what_a_loop_sets_in_the_interpreter(tmp_path: Path) -> None:
    survive(
        """
        import asyncio, os, signal, sys
        async def main():
            loop, got = asyncio.get_running_loop(), []
            loop.add_signal_handler(signal.SIGUSR1, got.append, "usr1")
            hooks = sys.get_asyncgen_hooks()
            task = asyncio.create_task(asyncio.sleep(0))
            number = int(task.get_name()[5:])
            freeze()
            assert sys.get_asyncgen_hooks() == hooks and hooks.firstiter.__self__ is loop
            assert asyncio.create_task(asyncio.sleep(0)).get_name() == f"Task-{number + 1}"
            assert signal.set_wakeup_fd(loop._csock.fileno()) == loop._csock.fileno()
            os.kill(os.getpid(), signal.SIGUSR1)
            loop.call_soon_threadsafe(got.append, "threadsafe")
            while len(got) < 2:
                await asyncio.sleep(0.01)
            loop.remove_signal_handler(signal.SIGUSR1)
            return sorted(got)
        assert asyncio.run(main(), debug=False) == ["threadsafe", "usr1"]
        assert sys.get_asyncgen_hooks() == (None, None)
        """,
        tmp_path,
    )  # fmt: skip


def test_what_runs_in_a_thread_goes_on_and_gives_its_result_to_the_loop(tmp_path: Path) -> None:
    survive(
        """
        import asyncio, threading
        began, may_end = threading.Event(), threading.Event()
        def work():
            began.set()
            may_end.wait()
            return threading.current_thread().name
        async def main():
            waiting = asyncio.create_task(asyncio.to_thread(work))
            while not began.is_set():
                await asyncio.sleep(0.001)
            freeze()
            may_end.set()
            worker = await waiting
            freeze()  # the executor is idle
            assert await asyncio.get_running_loop().run_in_executor(None, work) == worker
        asyncio.run(main())
        assert threading.active_count() == 1
        """,
        tmp_path, moves=2,
    )  # fmt: skip


def test_a_registered_task_that_is_garbage(tmp_path: Path) -> None:
    """The library's set of tasks still refers to it; it does not travel, and the reference goes with it."""
    told = survive(
        """
        import asyncio, gc, sys
        sys.unraisablehook = lambda what: print("unraisable", what)
        gc.disable()
        async def fail():
            me = [asyncio.current_task()]
            raise ValueError(me)
        async def main():
            task = asyncio.create_task(fail())
            try:
                await task
            except ValueError as error:
                kept = error, task
            freeze()
        asyncio.run(main())
        freeze()
        gc.collect()
        assert list(getattr(asyncio.tasks, "_all_tasks", ())) == []
        """,
        tmp_path, moves=2,
    )  # fmt: skip
    assert "unraisable" not in told and "ignored" not in told, told


def test_a_loop_of_another_make_is_refused_by_name(tmp_path: Path) -> None:
    report = refused(
        """
        import asyncio
        class Mine(asyncio.SelectorEventLoop): pass
        async def main(): freeze()
        with asyncio.Runner(loop_factory=Mine) as runner:
            runner.run(main())
        """,
        tmp_path,
    )
    assert "__main__.Mine" in report and "asyncio.run" in report, report


def test_a_loop_that_is_no_python_is_refused_by_name(tmp_path: Path) -> None:
    """It lets nobody in while it runs: it is told after a second's worth of signals."""
    pytest.importorskip("uvloop")
    report = refused(
        """
        import asyncio, os, signal, uvloop
        async def main():
            for _ in range(60):
                os.kill(os.getpid(), signal.SIGURG)
                await asyncio.sleep(0)
        uvloop.run(main())
        """,
        tmp_path,
    )
    assert "uvloop.Loop" in report and "asyncio.run" in report, report


def test_a_transport_that_is_connected_is_refused_with_its_peer(tmp_path: Path) -> None:
    report = refused(
        """
        import asyncio
        async def serve(reader, writer):
            await reader.read()
            writer.close()
        async def main():
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            freeze()
            writer.close()
            server.close()
            await asyncio.sleep(0)
        asyncio.run(main())
        """,
        tmp_path,
    )
    assert "_SelectorSocketTransport is connected to 127.0.0.1:" in report, report
