"""A thousand threads, or as many as it is told, of the kind that it is told, for so many turns: they sleep, wait for
locks, channels and each other, with time limits and cancellations.
"""

import contextvars
import sys

from sojourn import threads

tag = contextvars.ContextVar("tag")
KIND = sys.argv[1] if sys.argv[1:] else "user"
COUNT, TURNS = (int(sys.argv[2]), int(sys.argv[3])) if sys.argv[2:] else (1000, 4)


def crunch(seed, steps=20):
    for step in range(steps):
        seed = (seed * 31 + step) % 1_000_003
    return seed


async def works(number, gate, orders, done, lock, totals):
    tag.set(f"worker {number}")
    await gate.wait()
    found = 0
    for turn in range(TURNS):
        await threads.sleep(0.5 + number % 7 * 0.01)
        order = await orders.get()
        async with lock:
            totals[number % 10] += crunch(order)
        found += crunch(order + turn)
        await done.put((number, found))
    assert tag.get() == f"worker {number}"
    return found


async def patient(event):
    try:
        with threads.timeout(0.2):
            await event.wait()
    except TimeoutError as error:
        return str(error)


async def main():
    tag.set("main")
    gate, lock, totals = threads.Event(), threads.Lock("totals"), [0] * 10
    orders, done = threads.Channel(50), threads.Channel(50)
    never = threads.Event()
    async with threads.Group("workers") as group:
        made = [group.spawn(works, number, gate, orders, done, lock, totals) for number in range(COUNT)]
        waits = [group.spawn(patient, never) for _ in range(3)]
        stays = group.spawn(threads.sleep_forever, name="stays")

        async def feeds():
            for order in range(TURNS * COUNT):
                await orders.put(order)

        group.spawn(feeds)
        gate.set()
        for turn in range(TURNS * COUNT):
            await done.get()
            if turn % 500 == 0:
                print("got", turn, tag.get(), flush=True)
        stays.cancel()
    print(sum(thread.switches > 0 for thread in made), "threads ran,", stays.state)
    print({await thread for thread in waits})
    print(sum(totals), len(done), lock)


threads.run(main, kind=KIND)
print("over")
