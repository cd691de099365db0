"""Resumes images in a process that never ran the program: `resumer.py FILE`, with images as `recorder.py` writes them.

One child is forked for each image from a process that has imported nothing but the engine. Prints a line of JSON with
what went wrong.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import traceback
from collections.abc import Callable
from typing import Any

import carrier
import worlds
from stage import Stage, difference

from sojourn.frames.resume import build, forget_makers


def rest_of(program: str, image: bytes) -> str:
    """The output of the resumed program."""
    stage = Stage(program)
    records, stage.main = carrier.load(image)
    forget_makers()
    resumer = build(records)
    stage.play(resumer)
    return stage.out.getvalue()


def whole(program: str, image: bytes) -> str:
    """The output of a program that was resumed with its world: what it had printed before is in it."""
    stage = Stage(program)
    go_on = worlds.load(image)
    stage.main, stage.out = sys.modules["__main__"], sys.stdout
    stage.play(go_on)
    return stage.out.getvalue()


def check(program: str, image: bytes, expected: str, run: Callable[[str, bytes], str]) -> str | None:
    """What is wrong with the resumed image, found out in a child; None if nothing is."""
    reading, writing = map(worlds.above, os.pipe())
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            got = run(program, image)
            answer = "" if got == expected else difference(expected, got)
        except BaseException:
            answer = traceback.format_exc()
        with os.fdopen(writing, "w") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    return f"ended with status {status}" if status else answer or None


def main(file: str) -> None:
    with open(file, "rb") as source:
        record: dict[str, Any] = pickle.load(source)
    output: str = record["output"]
    if "baseline" in record:
        worlds.prepare(record)
    run = whole if "baseline" in record else rest_of
    failures: list[dict[str, Any]] = []
    for where, offset, position, image in record["images"]:
        wrong = check(record["program"], image, output[position:], run)
        if wrong is not None:
            failures.append({"where": where, "offset": offset, "wrong": wrong})
    print(json.dumps(failures))


if __name__ == "__main__":
    main(sys.argv[1])
