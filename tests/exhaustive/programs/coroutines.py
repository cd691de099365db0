"""async def, async with, async for, async generators, comprehensions; driven by hand."""

import types


@types.coroutine
def switch(x):
    r = yield x
    return r


class Manager:
    async def __aenter__(self):
        print("aenter", await switch("ae"))
        return self

    async def __aexit__(self, *a):
        print("aexit", a[0], await switch("ax"))


class Awaitable:
    def __await__(self):
        r = yield "aw"
        return r


async def agen(n):
    for i in range(n):
        await switch(("ag", i))
        try:
            yield i
        finally:
            print("agen", i)


async def leaf(n):
    t = 0
    for i in range(n):
        t += await switch(i)
        print("leaf", i, t)
    return t


async def top():
    a = await leaf(2)
    async with Manager():
        b = await leaf(1)
        try:
            await leaf(0)
            raise KeyError(1)
        except KeyError as e:
            await switch("in except")
            print("in", repr(e))
    async for v in agen(2):
        print("v", v)
    print([x async for x in agen(2)], [await leaf(1) for _ in range(2)])
    print(await Awaitable())
    g = agen(2)
    print(await anext(g), await g.__anext__())
    await g.aclose()
    g = agen(1)
    print(await anext(g, "more"), await anext(g, "no more"))
    return a + b


def drive(c):
    v, n = None, 0
    while True:
        try:
            y = c.send(v)
        except StopIteration as e:
            return e.value
        print("y", y)
        n += 1
        v = n


c1, c2, c3 = top(), top(), leaf(1)
print(drive(c1))
c2.send(None)
print("c2", c2.send(5))
c2.close()
c3.send(None)
try:
    c3.throw(ValueError("into"))
except ValueError as e:
    print("out", e, e.__traceback__.tb_next.tb_lineno)


async def gather(*coros):
    results, waiting = {}, dict(enumerate(coros))
    values = dict.fromkeys(waiting)
    while waiting:
        for i, c in list(waiting.items()):
            try:
                values[i] = await switch((i, c.send(values[i])))
            except StopIteration as e:
                results[i] = e.value
                del waiting[i]
    return results


print(drive(gather(leaf(2), leaf(1))))
