"""asyncio tasks in the middle of long steps: frozen there, cancelled there, with contexts of their own."""

import asyncio
import contextvars

name = contextvars.ContextVar("name")


def crunch(steps):
    total = 0
    for step in range(steps):
        total = (total * 31 + step) % 1_000_003
    return total


async def inner(number):
    try:
        await asyncio.sleep(0)
        return crunch(900_000 + number)
    finally:
        print("left", name.get())


async def job(number):
    name.set(f"job {number}")
    found = [crunch(900_000 + number)]
    await asyncio.sleep(0)
    found.append(await inner(number))
    asyncio.current_task().cancel("by itself")
    found.append(crunch(900_000))
    try:
        await asyncio.sleep(0)
        print("not reached")
    except asyncio.CancelledError as error:
        print("cancelled", error.args, asyncio.current_task().cancelling(), crunch(700_000))
        asyncio.current_task().uncancel()
    return found, name.get()


async def fail(number):
    await asyncio.sleep(0)
    crunch(700_000)
    raise ValueError(number)


class Steps:
    def __init__(self, count):
        self.count = count

    def __await__(self):
        for _ in range(self.count):
            crunch(100_000)
            yield
        return self.count


async def numbers(limit):
    try:
        for number in range(limit):
            crunch(100_000)
            await asyncio.sleep(0)
            yield number
    finally:
        await asyncio.sleep(0)
        print("numbers are over", crunch(700_000))


async def main():
    name.set("main")
    loop = asyncio.get_running_loop()
    jobs = [asyncio.create_task(job(number), name=f"job {number}") for number in range(3)]
    print(await asyncio.gather(*jobs))
    print(await asyncio.gather(fail(1), fail(2), return_exceptions=True), name.get(), crunch(700_000))
    late = asyncio.create_task(job(9))
    await asyncio.sleep(0)
    late.cancel("too late")
    try:
        await late
    except asyncio.CancelledError as error:
        print("late", late.cancelled(), error.args)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(5))
            group.create_task(asyncio.sleep(60))
    except* ValueError as several:
        print(repr(several.exceptions))
    print(await Steps(8), [number async for number in numbers(6)])
    async for number in numbers(50):
        if number == 3:
            break
    future = loop.create_future()
    future.add_done_callback(lambda done: print("done", done.result(), crunch(700_000), name.get()))
    loop.call_soon(lambda: future.set_result(crunch(700_000)))
    print(await future, asyncio.current_task().get_name(), loop.is_running())
    unnamed = asyncio.create_task(asyncio.sleep(0.05))
    print(unnamed.get_name(), await unnamed)


asyncio.run(main())
print(name.get("outside"))
