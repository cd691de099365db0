"""Signals, Ctrl-C, fork and the end of the interpreter, in programs of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

from .conftest import KINDS

WITHIN = 60  # seconds, for a machine under load


def program(text: str, *arguments: str) -> subprocess.Popen[str]:
    source = "import os, signal, sys, time\nfrom sojourn import threads\n" + textwrap.dedent(text)
    quiet = "ignore:This process:DeprecationWarning"  # from 3.12 on it is said of each fork beside threads
    return subprocess.Popen(
        [sys.executable, "-u", "-W", quiet, "-c", source, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(started: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, err = started.communicate(timeout=WITHIN)
    finally:
        started.kill()
        started.wait()
        for stream in (started.stdin, started.stdout, started.stderr):
            if stream is not None:
                stream.close()
    return started.returncode, out, err


@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c_cancels_main_and_waits_for_all(kind: str) -> None:
    started = program(
        """
        async def stays(name):
            try:
                os.write(1, b"waits\\n")
                await threads.sleep_forever()
            finally:
                await threads.sleep(0.01)
                os.write(1, f"{name} cleaned up\\n".encode())
        async def main():
            threads.spawn(stays, "other")
            await stays("main")
        try:
            threads.run(main, kind=sys.argv[1])
        except KeyboardInterrupt:
            print("interrupted")
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        """,
        kind,
    )
    assert started.stdout is not None
    assert [started.stdout.readline() for _ in range(2)] == ["waits\n"] * 2
    started.send_signal(signal.SIGINT)
    status, out, err = outcome(started)
    assert (status, err) == (0, "")
    assert sorted(out.split("\n")[:2]) == ["main cleaned up", "other cleaned up"]
    assert out.split("\n")[2:] == ["interrupted", "True", ""]


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_ctrl_c_does_not_wait(kind: str) -> None:
    started = program(
        """
        async def main():
            while True:
                try:
                    print("waits", flush=True)
                    await threads.sleep_forever()
                except threads.Cancelled:
                    pass
        threads.run(main, kind=sys.argv[1])
        """,
        kind,
    )
    assert started.stdout is not None
    for _ in range(2):
        assert started.stdout.readline() == "waits\n"
        started.send_signal(signal.SIGINT)
    status, _, err = outcome(started)
    assert status == -signal.SIGINT and "KeyboardInterrupt" in err


def test_a_handler_that_blocks_stalls_nobody() -> None:
    """It waits for what a thread does: handlers run on the main kernel-level thread, which carries nobody."""
    started = program(
        """
        reading, writing = os.pipe()
        begun = threads.Event()
        def handler(number, frame):
            threads.post(begun.set)
            print("got", os.read(reading, 1))
        signal.signal(signal.SIGUSR1, handler)
        async def main():
            os.kill(os.getpid(), signal.SIGUSR1)
            await begun.wait()
            os.write(writing, b"x")
        threads.run(main)
        """
    )
    assert outcome(started) == (0, "got b'x'\n", "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_forked_child_has_only_the_thread_that_forked(kind: str) -> None:
    started = program(
        """
        async def ticks():
            while True:
                await threads.sleep(0.001)
                assert os.getpid() == parent, "another thread runs in the child"
        async def main():
            threads.spawn(ticks)
            await threads.sleep(0.005)
            child = os.fork()
            if not child:
                try:
                    await threads.sleep(0.01)
                except threads.WrongState as error:
                    print("child:", error.message)
                return
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            await threads.sleep(0.005)
            print("parent goes on,", status)
        parent = os.getpid()
        threads.run(main, kind=sys.argv[1])
        """,
        kind,
    )
    status, out, err = outcome(started)
    assert (status, err) == (0, "")
    assert out.split("\n") == [
        "child: main would wait in a forked child, where nobody is who could wake it up",
        "parent goes on, 0",
        "",
    ]


def test_a_child_that_raises_says_so() -> None:
    started = program(
        """
        def forks():
            if not os.fork():
                raise ValueError("in the child")
            return os.waitstatus_to_exitcode(os.wait()[1])
        async def main():
            print(await threads.spawn(forks))
        threads.run(main)
        """
    )
    status, out, err = outcome(started)
    assert (status, out) == (0, "1\n") and "ValueError: in the child" in err


def test_a_child_begins_anew() -> None:
    started = program(
        """
        async def double(number):
            await threads.switch()
            return 2 * number
        assert threads.wait(threads.spawn(double, 1).join()) == 2
        if not os.fork():
            assert threads.wait(threads.spawn(double, 2).join()) == 4
            assert threads.run(double, 3) == 6
            print("child is well", flush=True)
            os._exit(0)
        os.wait()
        print(threads.wait(threads.spawn(double, 4).join()))
        """
    )
    assert outcome(started) == (0, "child is well\n8\n", "")


def test_subprocesses_are_not_disturbed() -> None:
    started = program(
        """
        import subprocess
        async def main():
            for _ in range(3):
                print(subprocess.run(["echo", "hello"], capture_output=True, text=True).stdout, end="")
                await threads.switch()
        threads.run(main)
        """
    )
    assert outcome(started) == (0, "hello\n" * 3, "")


def test_the_interpreter_ends_with_threads_alive() -> None:
    started = program(
        """
        async def cleans():
            begun.set()
            try:
                await threads.sleep_forever()
            finally:
                await threads.sleep(0.001)
                print("cleaned up")
        begun = threads.Event()
        threads.spawn(cleans)
        threads.wait(begun.wait())
        print("ends")
        """
    )
    assert outcome(started) == (0, "ends\ncleaned up\n", "")


def test_who_does_not_end_is_named_and_left() -> None:
    started = program(
        """
        from sojourn.threads import endings
        endings.GRACE = 0.1
        async def stays():
            begun.set()
            time.sleep(3600)
        begun = threads.Event()
        threads.spawn(stays, name="stubborn")
        threads.wait(begun.wait())
        print("ends")
        """
    )
    status, out, err = outcome(started)
    assert (status, out) == (0, "ends\n")
    assert err == "threads that had not ended 0.1 s after their cancellation: stubborn\n"


def test_the_report_outlives_the_run() -> None:
    """It is mostly printed behind it; and to ask for it starts nothing."""
    started = program(
        """
        import threading
        async def main():
            while not threads.report().rows():
                time.sleep(0.02)
                await threads.switch()
        print(threads.report().rows())
        threads.run(main)
        print("<string>:" in str(threads.report()), threading.active_count())
        async def nothing(): pass
        threads.run(nothing, kind="user")
        print(threads.report().rows())
        threads.dump(sys.stdout)
        """
    )
    assert outcome(started) == (0, "[]\nTrue 1\n[]\nno threads\n", "")


def test_main_exits() -> None:
    started = program(
        """
        async def main():
            threads.spawn(threads.sleep_forever)
            sys.exit(3)
        threads.run(main)
        """
    )
    assert outcome(started) == (3, "", "")


def test_importing_is_quick_and_brings_no_cluster_along() -> None:
    started = program(
        """
        heavy = {"asyncio", "nats", "uvloop", "msgspec", "socket", "subprocess", "sojourn.client", "sojourn.node"}
        print(sorted(heavy & set(sys.modules)))
        """
    )
    assert outcome(started) == (0, "[]\n", "")
