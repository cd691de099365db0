"""asyncio and threads: calls handed to a pool, a loop in a thread of its own, and what the two tell each other."""

import asyncio
import contextvars
import threading
import time

word = contextvars.ContextVar("word", default="none")
loops: list[asyncio.AbstractEventLoop] = []
enough: list[asyncio.Event] = []


def slow(number: int) -> int:
    token = word.set(f"{word.get()} {number}")
    time.sleep(0.15 * number)
    said = word.get()
    word.reset(token)
    assert (said, word.get()) == (f"main {number}", "main")
    return number * number


async def ticks(count: int):  # type: ignore[no-untyped-def]
    for number in range(count):
        await asyncio.sleep(0.15)
        yield number


async def beside() -> int:
    loops.append(asyncio.get_running_loop())
    enough.append(asyncio.Event())
    task, total = asyncio.current_task(), 0
    async for number in ticks(24):
        assert asyncio.current_task() is task and asyncio.get_running_loop() is loops[0]
        total += number
    await enough[0].wait()
    return total


async def main() -> None:
    word.set("main")
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(beside())), name="beside")
    thread.start()
    calls = [asyncio.to_thread(slow, number) for number in range(1, 16)]
    waiting = asyncio.gather(*calls)
    for step in range(40):
        await asyncio.sleep(0.1)
        print("step", step, flush=True)
    asked = asyncio.run_coroutine_threadsafe(asyncio.sleep(0.1, "asked"), loops[0])
    print(await asyncio.wrap_future(asked))
    print(await waiting)
    loops[0].call_soon_threadsafe(enough[0].set)
    await asyncio.to_thread(thread.join)
    print(results, word.get())


asyncio.run(main())
print(threading.active_count())
