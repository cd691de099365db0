"""Whole programs with threads, frozen where their main thread asks for it and resumed in another process."""

from __future__ import annotations

from pathlib import Path

from frozen_program import survive


def test_the_end_of_a_program_waits_for_its_threads(tmp_path: Path) -> None:
    """They are frozen and go on; the interpreter they end in is another one."""
    printed = survive(
        """
        import threading, time
        def work():
            for step in range(3):
                time.sleep(0.05)
            print("worked", threading.current_thread().name, threading.current_thread().ident == threading.get_ident())
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        freeze()
        print("main", thread.is_alive(), thread.native_id == [*threading._active.values()][-1].native_id)
        """,
        tmp_path,
        moves=1,
    )
    assert "worked worker True" in printed


LOCALS = """
    import contextvars, sys, threading
    class Own(threading.local):
        made = 0
        def __init__(self, start):
            Own.made += 1
            self.count = start
    own, word = Own(7), contextvars.ContextVar("word")
    hold, go = threading.RLock(), threading.Event()
    identities = {}
    def work(number):
        own.count += number
        word.set(number)
        with hold if number == 1 else threading.RLock():
            identities[number] = threading.get_ident()
            ready.release()
            go.wait()
            same = identities[number] == threading.get_ident()
            sys.stdout.write(f"{number} {own.count} {word.get()} {same}\\n")  # in one piece, beside the other
    ready = threading.Semaphore(0)
    threads = [threading.Thread(target=work, args=(n,), daemon=n == 2) for n in (1, 2)]
    for thread in threads:
        thread.start()
        ready.acquire()
    me = threading.get_ident()
    freeze()
    freeze()
    print("main", own.count, Own.made, me == threading.get_ident(), hold.acquire(blocking=False))
    print([identities[n] == thread.ident and thread.daemon for n, thread in enumerate(threads, 1)])
    go.set()
    for thread in threads:
        thread.join()
    print(hold.acquire(blocking=False), word.get(None), threading.active_count())
    """


def test_locals_contexts_locks_and_identities_survive(tmp_path: Path) -> None:
    printed = survive(LOCALS, tmp_path, moves=2)
    lines = printed.splitlines()
    assert sorted(lines[2:4]) == ["1 8 1 True", "2 9 2 True"]
    assert [*lines[:2], *lines[4:]] == ["main 7 3 True False", "[False, True]", "True None 1"]


def test_a_raw_thread_and_a_callback_survive(tmp_path: Path) -> None:
    printed = survive(
        """
        import _thread, time
        done = []
        lock = _thread.allocate_lock()
        lock.acquire()
        def raw(word):
            lock.acquire()
            done.append(word)
        _thread.start_new_thread(raw, ("raw",))
        freeze()
        freeze()
        lock.release()
        while not done:
            time.sleep(0.01)
        print(done, _thread._count())
        """,
        tmp_path,
        moves=2,
    )
    assert printed.startswith("['raw']")


def test_tokens_of_a_threads_own_context_are_valid(tmp_path: Path) -> None:
    printed = survive(
        """
        import contextvars, decimal, threading
        word = contextvars.ContextVar("word")
        go = threading.Event()
        def work():
            first, second = word.set("first"), word.set("second")
            with decimal.localcontext() as context:
                context.prec = 5
                ready.release()
                go.wait()
                print(decimal.getcontext().prec)
            word.reset(second)
            print(word.get())
            word.reset(first)
            print(word.get("unset"), decimal.getcontext().prec)
        word.set("main")
        token = word.set("main again")
        ready = threading.Semaphore(0)
        thread = threading.Thread(target=work)
        thread.start()
        ready.acquire()
        freeze()
        freeze()
        go.set()
        thread.join()
        word.reset(token)
        print(word.get())
        """,
        tmp_path,
        moves=2,
    )
    assert printed.splitlines()[:4] == ["5", "first", "unset 28", "main"]


def test_calls_that_threads_and_pools_were_given_go_on_for_the_rest_of_their_time(tmp_path: Path) -> None:
    printed = survive(
        """
        import _thread, threading, time
        from concurrent.futures import ThreadPoolExecutor
        lock = threading.Lock()
        lock.acquire()
        began = time.monotonic()
        threads = [
            threading.Thread(target=time.sleep, args=(0.8,)),
            threading.Thread(target=lock.acquire, kwargs={"timeout": 0.9}),
            threading.Thread(target=lock.acquire, args=(True, 0.9)),
            threading.Thread(target=lock.acquire),
        ]
        for thread in threads:
            thread.start()
        pool = ThreadPoolExecutor(1)
        sleeping, after = pool.submit(time.sleep, 0.8), pool.submit(pow, 2, 10)
        _thread.start_new_thread(time.sleep, (0.7,))
        freeze()
        freeze()
        print(sleeping.result(), after.result(), time.monotonic() - began > 0.75)
        for thread in threads[:3]:
            thread.join()
        print(time.monotonic() - began > 0.85, threads[3].is_alive())
        lock.release()
        threads[3].join()
        print(lock.locked())
        """,
        tmp_path,
        moves=2,
    )
    assert printed.splitlines()[:3] == ["None 1024 True", "True True", "True"]


def test_a_thread_that_has_not_entered_itself_yet_can_be_waited_for(tmp_path: Path) -> None:
    printed = survive(
        """
        import threading
        ready, go = threading.Semaphore(0), threading.Event()
        class Late(threading.Thread):
            def _set_native_id(self):
                super()._set_native_id()
                ready.release()
                go.wait()
        late = Late(target=print, args=("late",))
        starter = threading.Thread(target=late.start)
        starter.start()
        ready.acquire()
        freeze()
        freeze()
        go.set()
        starter.join()
        late.join()
        print(late.is_alive(), threading.enumerate() == [threading.main_thread()])
        """,
        tmp_path,
        moves=2,
    )
    assert printed.splitlines()[:2] == ["late", "False True"]


def test_nothing_is_frozen_where_the_table_of_threads_is_locked(tmp_path: Path) -> None:
    printed = survive(
        """
        import os, signal, threading
        here = os.getpid()
        with threading._active_limbo_lock:
            signal.raise_signal(signal.SIGURG)
            held = [number for number in range(100)]
        while os.getpid() == here:
            pass
        print(threading.active_count(), len(held))
        """,
        tmp_path,
    )
    assert printed == "1 100\n"
