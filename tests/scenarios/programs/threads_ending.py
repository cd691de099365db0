"""The main thread ends at once; the interpreter waits for the others, and then for what atexit runs."""

import atexit
import threading
import time


def work(name: str, steps: int) -> None:
    for step in range(steps):
        time.sleep(0.1)
        if name == "first":
            print(name, step, threading.main_thread().is_alive(), flush=True)
    if name == "first":
        threads[1].join()
        print("joined", threads[1].is_alive(), flush=True)


threads = [threading.Thread(target=work, args=each) for each in (("first", 32), ("second", 36))]
threads.append(threading.Thread(target=time.sleep, args=(3.4,), name="asleep"))
threads.append(threading.Thread(target=threading.Event().wait, daemon=True))
for thread in threads:
    thread.start()
atexit.register(lambda: print("at exit", [each.is_alive() for each in threads]))
