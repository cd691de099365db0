"""Threads: each primitive of the module, queues, a pool with queued work, a timer; started, waited for, and ended."""

import contextvars
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

own, word = threading.local(), contextvars.ContextVar("word", default="none")
lock, again, condition = threading.Lock(), threading.RLock(), threading.Condition()
gate, event, barrier = threading.BoundedSemaphore(1), threading.Event(), threading.Barrier(2)
orders, answers, simple = queue.Queue(1), queue.LifoQueue(), queue.SimpleQueue()
said = {}


def say(what):
    with again, again:
        said.setdefault(threading.current_thread().name, []).append(what)


def worker():
    own.number = len(threading.current_thread().name)
    word.set("worker")
    while (order := orders.get()) is not None:
        with lock:
            answers.put(order * own.number)
        orders.task_done()
    simple.put(word.get())
    say(barrier.wait(60) in (0, 1))
    with condition:
        condition.notify()
    event.wait()
    say(gate.acquire(timeout=60))
    gate.release()


def sleeper():
    time.sleep(0.01)
    say("slept")


def main():
    gate.acquire()
    thread = threading.Thread(target=worker, name="worker")
    asleep = threading.Thread(target=sleeper, name="asleep", daemon=True)
    thread.start()
    asleep.start()
    for order in range(3):
        orders.put(order)
    orders.join()
    with condition:
        orders.put(None)
        print(simple.get(timeout=60), barrier.wait() in (0, 1), condition.wait(60))
    print(sorted(answers.get_nowait() for _ in range(answers.qsize())), hasattr(own, "number"), word.get())
    try:
        orders.get_nowait()
    except queue.Empty as empty:
        print(repr(empty))
    timer = threading.Timer(0.01, event.set)
    timer.start()
    print(event.wait(), lock.acquire(blocking=False), lock.acquire(timeout=0.001))
    lock.release()
    gate.release()
    for each in (thread, asleep, timer):
        each.join()
    with ThreadPoolExecutor(1, thread_name_prefix="pool") as pool:
        jobs = [pool.submit(pow, 2, each) for each in range(3)]
        jobs.append(pool.submit(time.sleep, 0.01))
        last = pool.submit(say, "last")
        last.add_done_callback(lambda future: said.setdefault("called", []).append(future.done()))
        print([job.result() for job in jobs], wait([last]).not_done, pool.submit(int, "x").exception())
    print(sorted(said.items()), thread.is_alive(), threading.active_count())


main()
print("over", [each.name for each in threading.enumerate()])
