"""The inside of a held host: a program that is built here and does not run before `go`.

Everything that can fail is done by `thaw`: the descriptors, the world's edits, the heap, the frames. After `go` nothing
of ours is between the program and its first instruction but the return to the interpreter (see `launch`).

Where `thaw` fails, what has been built until then is kept, by the traceback of the failure, until the process is
killed: finalizers of the program would remove its files, and write, while it goes on elsewhere.
"""
# pyright: basic
# (_signal has no stubs)

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]
import os
import sys
from collections.abc import Callable
from typing import Any

from sojourn._util import clock, descriptors
from sojourn._util.channel import Channel
from sojourn.errors import BadImage, InternalError, SojournError
from sojourn.frames import api
from sojourn.machines.python.commands import Commands, as_internal
from sojourn.machines.python.fresh import freshen
from sojourn.machines.python.launch import Launch
from sojourn.resources import files, standard


class Held:
    """`match` is this process's match of the baseline that the node names by `digest`."""

    def __init__(
        self,
        channel: Channel,
        launch: Launch,
        match: Any,
        digest: str,
        workspace: str,
        renamed: dict[str, str],
    ) -> None:
        self._channel = channel
        self._launch = launch
        self._streams = files.Streams(workspace)
        self._commands = Commands(channel, self._streams)
        self._match = match
        self._digest = digest
        self._renamed = renamed
        self._carried: dict[str, Any] = {}
        self._thawed: api.Thawed | None = None
        self._failed: list[BaseException] = []

    def serve(self) -> None:
        """Answers the node until `go`; does not return if the node goes away or discards us."""
        while (message := self._channel.receive()) is not None:
            request, fds = message
            fds = [descriptors.raised(fd) for fd in fds]
            if request["op"] == "go" and self._thawed is not None:
                self._commands.wishes.identity = request["identity"]
                self._aim()
                self._channel.send({"answer": request["id"], "ok": None})
                return
            try:
                if request["op"] != "thaw":
                    raise InternalError(f"a held host was asked to {request['op']}")
                self._thaw(fds[0], fresh=request["fresh"])
                answer: dict[str, Any] = {"ok": None}
            except SojournError as error:
                self._failed.append(error)
                answer = {"error": error.to_wire()}
            except Exception as error:
                self._failed.append(error)
                answer = {"error": as_internal(error).to_wire()}
            for fd in fds:
                os.close(fd)
            self._channel.send({"answer": request["id"], **answer})
        os._exit(0)

    def _thaw(self, fd: int, *, fresh: bool) -> None:
        if self._thawed is not None:
            raise BadImage("this process has been thawed already")
        image = api.open_image(fd)
        self._carried = image.header["carried"]
        files.restore(self._carried["descriptors"])
        standard.apply(self._carried["streams"])
        self._thawed = api.thaw_from(image, match=self._match)
        if fresh:
            freshen()

    def _aim(self) -> None:
        main = sys.modules["__main__"].__dict__
        kept = {name: main[name] for name in ("__loader__", "__file__", "__cached__") if name in main}
        path = [self._renamed.get(entry, entry) for entry in sys.path]
        # `site` goes on from here, and must not import this for a program that has run long since.
        unasked = sys.modules.setdefault("usercustomize", None) is None  # pyright: ignore

        def take() -> Callable[[], object]:
            # What the interpreter has set for the file in memory that it believes to run.
            if unasked:
                del sys.modules["usercustomize"]
            sys.path[:] = path
            for name in ("__loader__", "__file__", "__cached__"):
                main.pop(name, None)
            main.update(kept)
            sys.orig_argv[:] = self._carried["argv"]
            assert self._thawed is not None
            run = self._thawed.release()
            self._thawed = None
            self._commands.listen()
            self._channel.send({"event": "running", "at": clock.monotonic_ns()})
            _signal.pthread_sigmask(_signal.SIG_SETMASK, self._carried["mask"])
            return run

        self._commands.adopt(self._match, self._digest)
        self._launch.resume(take)
