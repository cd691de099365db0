"""Threads that wait, each in its own way: what they wait for comes after the moves."""

import queue
import threading
import time

said: list[tuple[str, ...]] = []
books = threading.Lock()
identities: dict[int, str] = {}


def say(*words: object) -> None:
    with books:
        said.append((threading.current_thread().name, *map(str, words)))


lock, again, condition = threading.Lock(), threading.RLock(), threading.Condition()
event, never = threading.Event(), threading.Event()
gate = threading.Semaphore(0)
barrier = threading.Barrier(3)
orders: "queue.Queue[int | None]" = queue.Queue()
simple: "queue.SimpleQueue[int | None]" = queue.SimpleQueue()
own = threading.local()


def locked() -> None:
    own.word = "mine"
    with lock:
        say("in", own.word, own.__dict__)


def holder() -> None:
    with again, again:
        event.wait()
        say("holds", again._is_owned())
        own.word = "another"


def second() -> None:
    holds.wait()
    with again:
        say("after", hasattr(own, "word"))


def conditional() -> None:
    with condition:
        condition.wait()
        say("notified", condition._is_owned())


def taker() -> None:
    while (order := orders.get()) is not None:
        say("order", order)


def simple_taker() -> None:
    while (order := simple.get(block=True)) is not None:
        say("simple", order)


def counted() -> None:
    gate.acquire()
    say("through")


def met() -> None:
    say("met", barrier.wait() in range(3))


def sleeper() -> None:
    began = time.monotonic()
    time.sleep(2.8)
    say("slept", 2.75 < time.monotonic() - began < 20)


def timed() -> None:
    began = time.monotonic()
    say(never.wait(2.7), lock.acquire(timeout=0.1), 2.75 < time.monotonic() - began < 20)


def joiner() -> None:
    sleeping.join()
    say("joined", sleeping.is_alive())


def hold() -> None:
    with again:
        holds.set()
    holder()


def known(function):  # type: ignore[no-untyped-def]
    def run() -> None:
        identities[threading.get_ident()] = threading.current_thread().name
        function()

    return run


holds = threading.Event()
lock.acquire()
threads = [
    threading.Thread(target=known(each), name=each.__name__, daemon=each is taker)
    for each in (locked, hold, second, conditional, taker, simple_taker, counted, met, met, sleeper, timed, joiner)
]
sleeping = threads[9]
for thread in threads:
    thread.start()
timer = threading.Timer(2.3, say, ("timer",))
timer.name = "timer"
timer.start()

for step in range(25):
    time.sleep(0.1)
    print("step", step, flush=True)

alive = [thread for thread in threads if thread.is_alive()]
print("identities", all(identities[thread.ident] == thread.name for thread in alive if thread.ident))
print("tables", all(threading._active[thread.ident] is thread for thread in alive))  # type: ignore[attr-defined]
print("daemons", [thread.name for thread in threads if thread.daemon])
for number in range(3):
    orders.put(number)
    simple.put(number)
orders.put(None)
simple.put(None)
event.set()
gate.release()
with condition:
    condition.notify_all()
print("barrier", barrier.wait() in range(3), barrier.broken)
for thread in threads[9:] + [timer]:
    thread.join()
lock.release()
for thread in threads:
    thread.join()
print(*sorted(said), sep="\n")
print(threading.active_count(), threading.enumerate() == [threading.main_thread()])
