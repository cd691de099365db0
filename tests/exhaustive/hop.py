"""One part of a chain of freezes: `hop.py JSON-OPTIONS`.

Starts the program, or goes on from an image, and freezes it at an opcode boundary after a number of opcodes (or later,
where it cannot be frozen just there), prologues of resumed frames included. Prints a line of JSON with the output of
this part.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import carrier
from stage import Stage, opcodes

from sojourn.errors import Unmovable
from sojourn.frames.boundary import Pin
from sojourn.frames.capture import capture_stack
from sojourn.frames.resume import build, forget_makers


class Hop:
    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.stage = Stage(options["program"])
        self.base: FrameType | None = None
        self.opcodes = 0

    def main(self) -> None:
        image = self.options.get("image")
        if image is None:
            program = self.options["program"]
            code = compile(Path(program).read_text(), program, "exec")
            self.stage.play(lambda: self.run(code))
        else:
            records, self.stage.main = carrier.load(Path(image).read_bytes())
            forget_makers()
            resumer = build(records)
            del records
            self.stage.play(lambda: self.run(resumer))
        self.answer(frozen=False)

    def run(self, part: Any) -> None:
        self.base = sys._getframe()
        with opcodes(self.covers, self.opcode):
            if isinstance(part, CodeType):
                exec(part, self.stage.main.__dict__)
            else:
                part()

    def covers(self, code: CodeType) -> bool:
        return code.co_filename in (self.options["program"], "<sojourn>")

    def opcode(self, frame: FrameType) -> None:
        self.opcodes += 1
        after = self.options.get("after")
        if after is None or self.opcodes <= after:
            return
        try:
            image = carrier.dump(capture_stack(frame, base=self.base, mode="exact"))
        except (Pin, Unmovable):
            return
        Path(self.options["file"]).write_bytes(image)
        self.answer(frozen=True)
        os._exit(0)

    def answer(self, *, frozen: bool) -> None:
        part = {"output": self.stage.out.getvalue(), "frozen": frozen, "opcodes": self.opcodes}
        print(json.dumps(part), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    Hop(json.loads(sys.argv[1])).main()
