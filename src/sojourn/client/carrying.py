"""FILE, with the user, and a node that does not see it: what the client does for a freeze, a thaw, an inspection.

The node says what is to be done in the items of its answer (`node.carrying` has the protocol). Here is what follows
from each, as *steps*: a generator of the requests to send, which is given their answers. `images` does the talking.

What comes from a node is written down after it was compared with its name and the caps; it is believed by whoever thaws
it, and only for its signature.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeAlias

import msgspec

from sojourn.client.calls import Call, ProcessInfo
from sojourn.errors import BadImage, ProtocolError, SojournError
from sojourn.folders.layout import LARGEST, MOST, Layout, checked, content_of, open_layout
from sojourn.folders.placing import Placing
from sojourn.folders.sight import Look, Token

PART = 2 << 20  # bytes in one request
FLUSH = 64 << 20  # bytes after which what was written is brought to the disk

Steps: TypeAlias = Generator[Call[Any], Any, None]
OnBytes: TypeAlias = Callable[[int], None]


def step(steps: Steps, answer: Any) -> Call[Any] | None:
    """The next request, or None after the last."""
    try:
        return steps.send(answer)
    except StopIteration:
        return None


class _Part(msgspec.Struct, frozen=True):
    """What `image.take` gives."""

    name: str = ""
    size: int = 0
    data: bytes = b""
    complete: bool = False
    over: bool = False


class Receipt:
    """FILE as one freeze makes it, wherever the process is.

    Guarantees. Before the node was told that the file is whole, a failure leaves no file. After that it stays unless
    the node says that the process goes on: it may be all that is left of it.

    Raises:
        UsageError: there is no folder for it. StorageError: nothing can be written there.
    """

    def __init__(self, name: str, file: str, deadline: float | None, on_bytes: OnBytes) -> None:
        self._name = name
        self._file = file
        self._on_bytes = on_bytes
        self._placing: Placing | None = None
        self._bring: dict[str, Any] = {}
        self._told = False  # the node, that the file is whole
        self._token: Token | None = Token(file)
        shown = msgspec.to_builtins(self._token.shown)
        self.args: dict[str, Any] = {"name": name, "file": file, "token": shown}
        if deadline is not None:
            self.args["deadline"] = deadline

    def heed(self, item: dict[str, Any]) -> Steps:
        """What follows from an item of the answer. Raises StorageError, UsageError, BadImage, ProtocolError."""
        if "seen" in item:
            self.close()
            if not item["seen"]:
                self._placing = Placing(self._file)
        elif "bring" in item and self._placing is not None:
            self._bring = item["bring"]
            yield from self._taken(self._placing)

    def _taken(self, placing: Placing) -> Steps:
        ticket = {"node": self._bring["node"], "ticket": self._bring["ticket"]}
        names, name, data, total, unsaved = set[str](), "", bytearray(), 0, 0
        while True:
            part: _Part = yield Call("image.take", ticket, _Part)
            if part.over:
                return  # the answer says why
            if part.complete:
                break
            if not data:
                checked(part.name, part.size)
                if part.name in names or part.size > LARGEST or len(names) >= MOST:
                    raise BadImage(f"the image has {part.name!r} twice, or too much of it")
                name = part.name
                names.add(name)
            data += part.data
            if part.name != name or len(data) > part.size or (part.size and not part.data):
                raise ProtocolError(f"the node sent something else than the rest of {name}")
            total += len(part.data)
            self._on_bytes(total)
            if len(data) == part.size:
                content_of(part.name, data)
                placing.put(part.name, (data,), part.size)
                unsaved += part.size
                data = bytearray()
                if unsaved > FLUSH:
                    placing.flush()
                    unsaved = 0
        placing.keep()
        self._told = True
        yield Call("image.kept", ticket, dict)

    def failed(self) -> Call[dict[str, Any]] | None:
        """The freeze has failed here. What asks how it ended there, when that matters; after this nothing holds it."""
        if self._placing is None:
            return None
        if not self._told:
            self._placing.drop()
        if not self._bring:
            return None
        asked = {"name": self._name, "image": self._bring["ticket"], "frozen_of": self._bring["epoch"]}
        return Call("freeze.settled", asked, dict, repeatable=True)

    def settled(self, why: BaseException, frozen: bool | None) -> None:
        """That is how it ended; None: nobody knows. `why` tells it to the user."""
        if not self._told or self._placing is None:
            return
        if frozen is False:
            self._placing.drop()
        elif isinstance(why, SojournError):
            why.message = f"{why.message}; {self._file} is complete"
            why.advice = (
                "the process is frozen in it: `sojourn thaw` goes on"
                if frozen
                else "`sojourn ps` says whether the process is frozen in it; while it runs, the file is not needed"
            )

    def close(self) -> None:
        if self._token is not None:
            self._token.take_away()
            self._token = None


class Lender:
    """FILE, read by a node that does not see it."""

    def __init__(self, file: str, on_bytes: OnBytes) -> None:
        self._file = file
        self._on_bytes = on_bytes
        self._total = 0
        self._layout: Layout | None = None

    def heed(self, item: dict[str, Any]) -> Steps:
        """What follows from an item of the answer. Raises NotFound, StorageError, BadImage, ProtocolError."""
        want = item["want"]
        said = {"node": want["node"], "ticket": want["ticket"], "wanted": want["wanted"]}
        if self._layout is None:
            self._layout = open_layout(self._file)
        name, size = want["name"], want["size"]
        if not name:
            yield Call("image.lend", {**said, "sizes": self._layout.sizes()}, dict)
            return
        if size > LARGEST:
            raise ProtocolError(f"the node asks for {size} bytes at once; {LARGEST} are allowed")
        data = bytearray(size)
        with memoryview(data) as view:
            self._layout.read(name, view)
        for at in range(0, size, PART):
            part = bytes(data[at : at + PART])
            yield Call("image.lend", {**said, "at": at, "data": part}, dict)
            self._total += len(part)
            self._on_bytes(self._total)

    def close(self) -> None:
        if self._layout is not None:
            with contextlib.suppress(OSError):
                self._layout.close()
            self._layout = None


def shown(look: Look) -> dict[str, Any]:
    """A look, as it is told."""
    return msgspec.to_builtins(look)


def elsewhere(file: str, rows: Iterable[ProcessInfo]) -> str | None:
    """Where the image may be that somebody looks for under a path where there is none."""
    wanted = os.path.basename(file.rstrip("/"))
    for row in rows:
        if row.file and wanted in (row.name, os.path.basename(row.file.rstrip("/"))):
            return f"{row.name} is frozen in {row.resting}"
    return None
