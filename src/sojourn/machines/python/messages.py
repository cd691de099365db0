"""What the two halves say to each other: JSON objects over a channel, with descriptors beside them.

To a template (every order may be answered by `{"failed": text}` on the order's own control channel):

| op | descriptors | what comes of it |
|---|---|---|
| start | control, stdin, stdout, stderr | a host that runs the program; says `born` |
| hold | the same | a host that waits for `thaw` and `go`; says `born` |
| spare | control | a host that waits, over its own channel, for the order to `hold`; says `waiting` |
| warm | control | a template like this one that has imported `modules`; says `ready` |
| baseline | control | a child that writes the baseline of `modules` to `path` and ends; says `made` |

A template says `ready` once, with its process id. A host says `born` with its process id, and `running`
(with the CLOCK_MONOTONIC nanoseconds of the first instruction) after `go`.

To a host, each with a number `id` that its answer repeats (`{"answer": id, "ok": ...}` or `{"answer": id,
"error": <SojournError.to_wire()>}`): `survey`, `freeze` (with the image's descriptor), `cancel` (give up
freeze `id`), `proceed` (after an abort), `thaw` (with the image's descriptor), `go`, `discard`, `identity` (what
the program is told of itself).

A host says `wish` (with a `number`, a `kind` and arguments) when its program asks for something, and is told
`verdict` (of `wish` number; `ok` or `error`) in the end; `unwish` calls it off. A `freeze` for a wish bears its number.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

CONTROL_FD = 1000  # where a template finds its channel
PLACEHOLDER = "/sojourn"  # the script a template was started with, and never runs


@dataclass(slots=True)
class Order:
    """What a host is to become. `program` and `module` are as the user gave them."""

    node: int  # process id of the node, whose child the host must be
    cwd: str
    program: str | None = None
    module: str | None = None
    args: list[str] = field(default_factory=list[str])
    environment: dict[str, str] = field(default_factory=dict[str, str])
    path: list[str] | None = None  # sys.path while modules are imported; None: as the interpreter makes it
    renamed: dict[str, str] = field(default_factory=dict[str, str])  # entries of sys.path that are elsewhere here
    modules: list[str] = field(default_factory=list[str])  # to import, in this order
    doors: list[str] = field(default_factory=list[str])  # of control groups: files to write 0 to
    data: int | None = None  # RLIMIT_DATA, in bytes
    processors: list[int] = field(default_factory=list[int])  # the only ones to run on; none: all
    terminal: bool = False  # the standard streams are a terminal, which becomes the controlling one
    workspace: str = ""  # its root, where the program has one
    identity: dict[str, Any] = field(default_factory=dict[str, Any])  # what the program is told of itself
    baseline: str | None = None  # the file of the baseline, to be written or to be matched

    def to_message(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}
