"""asyncio: tasks, futures, groups, timeouts, queues, locks, timers, generators that are closed, cancellation."""

import asyncio
import contextvars

where = contextvars.ContextVar("where", default="nowhere")


class Ticks:
    def __init__(self, count):
        self.count = count

    def __await__(self):
        for number in range(self.count):
            yield
        return number


async def numbers(limit):
    try:
        for number in range(limit):
            await asyncio.sleep(0)
            yield number
    finally:
        await asyncio.sleep(0)
        print("closed", where.get())


async def job(number, lock):
    where.set(number)
    async with lock:
        got = await Ticks(2)
        print("job", number, got)
    return where.get()


async def fail(why):
    await asyncio.sleep(0)
    raise ValueError(why)


async def stubborn():
    me = asyncio.current_task()
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError as error:
        print("asked", error.args, me.cancelling(), me.uncancel())
        await asyncio.sleep(0)
        me.cancel("by itself")
        print("marked", me.cancelling())
        await asyncio.sleep(0)


async def feed(queue):
    for item in "abc":
        await queue.put(item)
    await queue.put(None)


async def main():
    loop, lock = asyncio.get_running_loop(), asyncio.Lock()
    print(await asyncio.gather(job(1, lock), job(2, lock)), where.get())
    print(repr(await asyncio.gather(fail(1), fail(2), return_exceptions=True)))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail("group"))
            group.create_task(stubborn())
    except* ValueError as several:
        print(several.exceptions)
    task = loop.create_task(stubborn(), name="stubborn")
    await asyncio.sleep(0)
    task.cancel("please")
    try:
        await task
    except asyncio.CancelledError as error:
        print("cancelled", error.args, task.cancelled(), task.get_name())
    try:
        async with asyncio.timeout(0.001):
            await stubborn()
    except TimeoutError:
        print("timeout")
    except asyncio.CancelledError as error:
        print("by itself", error.args)
        asyncio.current_task().uncancel()
    queue, future = asyncio.Queue(1), loop.create_future()
    feeding = asyncio.ensure_future(feed(queue))
    while (item := await queue.get()) is not None:
        print(item, queue.qsize())
    future.add_done_callback(lambda done: print("done", done.result(), where.get()))
    timer = loop.call_later(0.001, future.set_result, feeding.done())
    print(await asyncio.wait_for(asyncio.shield(future), 60), timer.cancelled())
    async for number in numbers(9):
        if number == 1:
            break
    made = numbers(3)
    print(await anext(made), await made.aclose(), [number async for number in numbers(2)])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    print(sum(not each.done() for each in asyncio.all_tasks()))


asyncio.run(main(), debug=False)
print("over", where.get())
