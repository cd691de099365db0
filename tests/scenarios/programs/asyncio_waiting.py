"""asyncio.run: tasks that mostly wait, with queues, locks, timeouts and timers; deadlines keep their remaining time."""

import asyncio
import time


async def produce(number, queue):
    for step in range(4):
        await asyncio.sleep(0.1)
        await queue.put((number, step))
    return number


async def consume(queue, total):
    got = []
    while len(got) < total:
        got.append(await queue.get())
        queue.task_done()
    return sorted(got)


async def guarded(number, lock, log):
    async with lock:
        log.append(("in", number))
        await asyncio.sleep(0.04)
        log.append(("out", number))
    return number


async def main():
    loop, began = asyncio.get_running_loop(), time.monotonic()
    queue, event, order = asyncio.Queue(maxsize=2), asyncio.Event(), []
    loop.call_later(0.9, event.set)
    loop.call_at(loop.time() + 0.8, order.append, "first")
    loop.call_soon(order.append, "at once")
    forgotten = loop.call_later(0.5, order.append, "never")
    forgotten.cancel()
    consumer = asyncio.create_task(consume(queue, 12), name="the consumer")
    print(await asyncio.gather(*(produce(number, queue) for number in range(3))), await consumer, consumer.get_name())
    await event.wait()
    print(order, time.monotonic() - began >= 0.9)

    asked = time.monotonic()
    try:
        async with asyncio.timeout(0.4):
            await asyncio.sleep(60)
    except TimeoutError:
        print("timed out", 0.4 <= time.monotonic() - asked < 30)
    try:
        await asyncio.wait_for(asyncio.shield(shielded := asyncio.ensure_future(asyncio.sleep(0.3, "kept"))), 0.1)
    except TimeoutError:
        print(shielded.cancelled(), await shielded)

    log, lock, gate = [], asyncio.Lock(), asyncio.Semaphore(2)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(guarded(number, lock, log)) for number in range(4)]
        tasks += [group.create_task(guarded(number, gate, [])) for number in range(4, 8)]
    print(log, [task.result() for task in tasks])
    done, pending = await asyncio.wait(
        [asyncio.create_task(asyncio.sleep(delay, delay)) for delay in (0.1, 0.2, 9)], timeout=0.4
    )
    print(sorted(task.result() for task in done), len(pending), [task.cancel() for task in pending])
    barrier, condition = asyncio.Barrier(3), asyncio.Condition()

    async def meet():
        await barrier.wait()
        async with condition:
            await condition.wait()
            return barrier.n_waiting

    meetings = [asyncio.create_task(meet()) for _ in range(3)]
    await asyncio.sleep(0.2)
    async with condition:
        condition.notify_all()
    print(await asyncio.gather(*meetings), len(asyncio.all_tasks()), asyncio.current_task().get_name())


asyncio.run(main())
