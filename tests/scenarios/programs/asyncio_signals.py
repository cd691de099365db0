"""Signal handlers of a loop, whose numbers come through its self-pipe; loops driven by hand, one after the other."""

import asyncio
import os
import signal

got = []


async def alarms(count):
    loop, rang = asyncio.get_running_loop(), asyncio.Queue()
    loop.add_signal_handler(signal.SIGALRM, rang.put_nowait, "alrm")
    loop.add_signal_handler(signal.SIGUSR1, got.append, "usr1")
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    for _ in range(count):
        got.append(await rang.get())
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.kill(os.getpid(), signal.SIGUSR1)
    while got[-1] != "usr1":
        await asyncio.sleep(0.01)
    print(got, loop.remove_signal_handler(signal.SIGALRM), loop.remove_signal_handler(signal.SIGUSR1))


def compute(steps):
    return sum(step * step % 7 for step in range(steps))


asyncio.run(alarms(25))
loop = asyncio.new_event_loop()
kept = loop.create_task(asyncio.sleep(0.6, "kept"))
print(loop.run_until_complete(asyncio.sleep(0.2, "first")), [compute(300_000) for _ in range(3)])
loop.call_later(0.2, loop.stop)
loop.run_forever()
print(loop.is_running(), [compute(300_000) for _ in range(3)])
print(loop.run_until_complete(kept))
loop.close()

with asyncio.Runner() as runner:
    print(runner.run(asyncio.sleep(0.2, 1)), runner.run(asyncio.sleep(0.2, 2)))
    try:
        runner.get_loop().call_later(0.2, signal.raise_signal, signal.SIGINT)
        runner.run(asyncio.sleep(60))
    except KeyboardInterrupt:
        print("interrupted")
