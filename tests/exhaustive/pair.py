"""Two processes that stand ready, so that a small program costs no interpreter start: one records, the other resumes.

`pair.py record` and `pair.py resume` read a line of JSON for each program and answer with one. Each program runs in a
child of the first, which takes images at random opcodes; each image goes on in a child of the second, which was started
separately and has run nothing. A child that crashes is a failure of its program, with the signal.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

HERE = Path(__file__).parent


class Pair:
    """Of one interpreter."""

    def __init__(self, python: str) -> None:
        self._python = python

    def __enter__(self) -> Pair:
        from run import environment

        self._folder = tempfile.TemporaryDirectory()
        command = [self._python, "-W", "ignore", str(HERE / "pair.py")]
        self._servers = [
            subprocess.Popen(
                [*command, role],
                cwd=cwd,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for role, cwd in (("record", HERE), ("resume", self._folder.name))
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            assert server.stdin is not None and server.stdout is not None
            server.stdin.close()
            server.wait()
            server.stdout.close()
        self._folder.cleanup()

    def check(self, program: str, *, images: int, seed: int) -> tuple[int, list[str]]:
        """How many images there were, and what was wrong with them."""
        path, file = Path(self._folder.name, "program.py"), Path(self._folder.name, "images")
        path.write_text(program)
        file.unlink(missing_ok=True)
        recorded = self._ask(0, {"program": str(path), "file": str(file), "images": images, "seed": seed})
        if recorded["wrong"]:
            return 0, recorded["wrong"]
        return recorded["images"], self._ask(1, {"file": str(file)})["wrong"]

    def _ask(self, which: int, request: dict[str, Any]) -> dict[str, Any]:
        server = self._servers[which]
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        answer = server.stdout.readline()
        assert answer, f"it ended with {server.wait()}"
        return json.loads(answer)


# In the two processes


def record(request: dict[str, Any]) -> dict[str, Any]:
    """In a child: run it once to count its opcodes, and once to take images at some of them."""
    import recorder
    from stage import Stage

    program = request["program"]
    code = compile(Path(program).read_text(), program, "exec")
    counting = Chosen(recorder, Stage(program), set())
    counting.play(code)
    count = counting.visited
    chosen = random.Random(request["seed"]).sample(range(count), min(count, request["images"]))
    taking = Chosen(recorder, Stage(program), set(chosen))
    undisturbed = Stage(program)
    undisturbed.play(lambda: exec(code, undisturbed.main.__dict__))
    taking.play(code)
    output, errors = undisturbed.out.getvalue(), dict(taking.taker.errors)
    for who in (counting, taking):
        if who.taker.stage.out.getvalue() != output:
            errors["looking at the run has changed it"] = 1
    whole = {"program": program, "output": output, "images": taking.taker.images}
    Path(request["file"]).write_bytes(pickle.dumps(whole))
    return {"images": len(taking.taker.images), "wrong": list(errors)}


class Chosen:
    """Takes an image at each of the chosen opcodes, or as soon after it as there can be one."""

    def __init__(self, recorder: Any, stage: Any, chosen: set[int]) -> None:
        self.taker = recorder.Recorder(stage, visits=0, sample=None, seed=0, world=False)
        self.taker._opcode = self._opcode
        self.chosen, self.owed, self.visited = chosen, 0, 0

    def play(self, code: Any) -> None:
        self.taker.stage.play(lambda: self.taker.run(code))

    def _opcode(self, frame: FrameType) -> None:
        self.owed += self.visited in self.chosen
        self.visited += 1
        if self.owed and not self._held(frame):
            before = len(self.taker.images)
            self.taker._take(frame)
            self.owed -= len(self.taker.images) - before

    def _held(self, frame: FrameType) -> bool:
        """Is it still inside the call that pinned it? (A freeze, too, waits for the frame that made the call.)"""
        outer = frame.f_back
        while outer is not None and id(outer) != self.taker.pinned:
            outer = outer.f_back
        return outer is not None


def resume(request: dict[str, Any]) -> dict[str, Any]:
    """In the server: each image goes on in a child of its own."""
    import resumer

    whole = pickle.loads(Path(request["file"]).read_bytes())
    wrong: list[str] = []
    for where, offset, position, image in whole["images"]:
        found = resumer.check(whole["program"], image, whole["output"][position:], resumer.rest_of)
        if found is not None:
            wrong.append(f"{where} at {offset}: {found}")
    return {"wrong": wrong}


def in_child(work: Callable[[dict[str, Any]], dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "w") as pipe:
            try:
                pipe.write(json.dumps(work(request)))
            except BaseException as error:
                pipe.write(json.dumps({"images": 0, "wrong": [f"{type(error).__name__}: {error}"]}))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    return (
        json.loads(answer)
        if answer and not status
        else {"images": 0, "wrong": [f"ended with status {status}"]}
    )


def main(role: str) -> None:
    import recorder  # noqa: F401  (before the first child, so that none has to)
    import resumer  # noqa: F401

    answers, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: SIM115  (until the process ends)
    for line in sys.stdin:
        request = json.loads(line)
        answer = in_child(record, request) if role == "record" else resume(request)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
