"""Producers and consumers with timeouts, with asyncio."""

import asyncio

import pyperf


async def whole():
    queue, done = asyncio.Queue(3), []

    async def produce(name):
        for n in range(6):
            await asyncio.sleep(0.001)
            await queue.put((name, n))

    async def consume():
        while True:
            name, n = await queue.get()
            done.append(name * 10 + n)
            queue.task_done()

    consumers = [asyncio.create_task(consume()) for _ in range(2)]
    await asyncio.gather(*(produce(name) for name in range(3)))
    await queue.join()
    for each in consumers:
        each.cancel()
    try:
        async with asyncio.timeout(0.002):
            await asyncio.Event().wait()
    except TimeoutError:
        done.append(-1)
    return sorted(done)


def work():
    return asyncio.run(whole())


pyperf.Runner().bench_func("asyncio_queues", work)
