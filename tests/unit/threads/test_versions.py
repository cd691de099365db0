"""The package on every supported interpreter that is here, with no other package of ours: standard library only."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ...versions import OTHERS, python_of

SOURCE = Path(__file__).parents[3] / "src"
PROGRAM = """
import sys, time
from sojourn import threads

async def works(number, channel, lock):
    if number % 10 == 0:
        time.sleep(0.003)                       # blocks
    async with lock:
        await threads.switch()
    await channel.put(number)

def plain(channel):
    for number in range(100, 110):
        threads.wait(channel.put(number))

async def main():
    channel, lock = threads.Channel(4), threads.Lock()
    async with threads.Group() as group:
        for number in range(100):
            group.spawn(works, number, channel, lock)
        group.spawn(plain, channel)
        got = sorted([await channel.get() for _ in range(110)])
    try:
        with threads.timeout(0.01):
            await channel.get()
    except TimeoutError:
        return got == list(range(110))

for kind in threads.Kind:
    assert threads.run(main, kind=kind, debug=True), kind
print("well", "%d.%d" % sys.version_info[:2])
"""


@pytest.mark.parametrize("version", OTHERS)
def test_on_another_version(version: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [python_of(version), "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert (done.stdout, done.stderr) == (f"well {version}\n", "")
