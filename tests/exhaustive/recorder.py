"""Runs a program and takes an image at opcode boundaries: `recorder.py JSON-OPTIONS`.

Writes one pickle: the images, the whole output, and what could not be captured and why.
"""

from __future__ import annotations

import collections
import json
import pickle
import random
import re
import sys
import traceback
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import carrier
import worlds
from stage import Stage, difference, opcodes

from sojourn.errors import Unmovable
from sojourn.frames.boundary import Pin
from sojourn.frames.capture import capture_stack

_LIBRARY = re.compile(r"/(asyncio|concurrent/futures)/|/(threading|queue|_weakrefset)\.py$")  # what has state in it


class Recorder:
    """Captures at opcode events of the frames of one program."""

    def __init__(self, stage: Stage, *, visits: int, sample: int | None, seed: int, world: bool) -> None:
        self.stage = stage
        self.world = world
        self.visits = visits
        self.sample = sample
        self.random = random.Random(seed)
        self.base: FrameType | None = None
        self.images: list[tuple[str, int, int, bytes]] = []  # qualname, offset, output so far, image
        self.pins: collections.Counter[str] = collections.Counter()
        self.refusals: collections.Counter[str] = collections.Counter()
        self.errors: collections.Counter[str] = collections.Counter()
        self.pinned = 0  # the address of the frame that the last attempt was held by
        self._seen: collections.Counter[tuple[CodeType, int]] = collections.Counter()

    def run(self, code: CodeType) -> None:
        self.base = sys._getframe()
        with opcodes(self._covers, self._opcode):
            exec(code, self.stage.main.__dict__)

    def _opcode(self, frame: FrameType) -> None:
        if self._wanted(frame):
            self._take(frame)

    def _covers(self, code: CodeType) -> bool:
        return code.co_filename == self.stage.program or bool(self.world and _LIBRARY.search(code.co_filename))

    def _wanted(self, frame: FrameType) -> bool:
        key = frame.f_code, frame.f_lasti
        self._seen[key] += 1
        if self._seen[key] > self.visits:
            return False
        return self.sample is None or self.random.randrange(self.sample) == 0

    def _take(self, frame: FrameType) -> None:
        try:
            if self.world:
                image = worlds.take(frame, self.base)
            else:
                image = carrier.dump(capture_stack(frame, base=self.base, mode="exact"))
        except Pin as pin:
            self.pinned = id(pin.frame)
            self.pins[f"{pin.frame.f_code.co_qualname}:{pin.frame.f_lineno} {pin.why}"] += 1
        except Unmovable as refusal:
            self.refusals[f"{frame.f_code.co_qualname}:{frame.f_lineno} {refusal}"[:300]] += 1
        except Exception:
            self.errors[traceback.format_exc(limit=-4)] += 1
        else:
            told = 0 if self.world else self.stage.out.tell()  # with the world, what was printed travels
            self.images.append((frame.f_code.co_qualname, frame.f_lasti, told, image))


def main(options: dict[str, Any]) -> None:
    program: str = options["program"]
    stage = Stage(program)
    recorder = Recorder(
        stage, visits=options["visits"], sample=options["sample"], seed=options["seed"], world=options["world"]
    )
    code = compile(Path(program).read_text(), program, "exec")

    undisturbed = Stage(program)
    undisturbed.play(lambda: exec(code, undisturbed.main.__dict__))
    surveyed = worlds.survey() if options["world"] else {}
    stage.play(lambda: recorder.run(code))
    output = undisturbed.out.getvalue()
    if stage.out.getvalue() != output:
        recorder.errors["capturing has changed the run:\n" + difference(output, stage.out.getvalue())] += 1
    record = {
        **surveyed,
        "program": program, "output": output, "images": recorder.images, "pins": dict(recorder.pins),
        "refusals": dict(recorder.refusals), "errors": dict(recorder.errors),
    }  # fmt: skip
    with open(options["file"], "wb") as file:
        pickle.dump(record, file)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
