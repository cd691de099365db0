"""What a program says about its own place, and where it wants to be: `sojourn.here`, `hop`, `clone`.

    import sojourn

    for node in ("n2", "n3"):
        sojourn.hop(node)              # goes on at the next line, there
        print(sojourn.here())          # <walk at n2, epoch 2, 1 move>

    name = sojourn.clone("n3")         # returns twice: the copy's name here, None in the copy
    if name is None:
        explore()

Theory. This is an ordinary module of the program, in its process and on its stack; what it talks to is hidden from it
and found through the one thing of ours that a program can see, the handler of SIGURG. Nothing of that is kept between
two calls, so a program that holds on to these functions, or is frozen inside of one, moves as any other.

In a process that is not one of a cluster `here()` gives None, and the other two raise `NotMobile`. That is so in
processes that the program forks, too.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from sojourn.errors import NotMobile, UsageError, from_wire

_VERSION = 1  # of what is between this module and `machines.python.wishes`
_PAUSE = 0.01  # seconds, while somebody else moves the program


class Here:
    """Where and who the program is, at one moment."""

    __slots__ = ("epoch", "id", "moves", "name", "node")

    def __init__(self, node: str, name: str, id: str, epoch: int, moves: int) -> None:
        self.node = node  # that it runs on
        self.name = name  # of the process, unique in the cluster
        self.id = id  # of the process, for ever
        self.epoch = epoch  # raised by every change of owner
        self.moves = moves  # how often it has moved

    def __repr__(self) -> str:
        moves = "1 move" if self.moves == 1 else f"{self.moves} moves"
        return f"<{self.name} at {self.node}, epoch {self.epoch}, {moves}>"


def here() -> Here | None:
    """Where and who this process is; None outside of a cluster."""
    wishes = _wishes()
    return None if wishes is None or not wishes.identity else Here(**wishes.identity)


def hop(node: str) -> None:
    """Move this process to `node`: the next line runs there. Where it is there already, nothing happens.

    Call it from the main thread, anywhere in the program: in nested calls, generators, `with` and `try`.

    Raises:
        NotMobile: not in a cluster, or not in its main thread.
        NotFound: there is no such node. Refused: it cannot be done, with all the reasons. Unavailable, NodeLost.
        In each case the program goes on here, from the `except`.
    """
    while _wish("hop", {"node": _name(node, "a node")}) is None:
        time.sleep(_PAUSE)


def clone(node: str | None = None, *, name: str | None = None, keep_random: bool = False) -> str | None:
    """Make a copy of this process that goes on from here. Returns in both: the copy's name here, None in the copy.

    Args:
        node: where the copy is to run; here, when left out.
        name: of the copy; made from this one's when left out.
        keep_random: the copy draws the same numbers from `random` and `numpy.random` as this process.

    Raises: as `hop`; NameTaken. Then there is no copy.
    """
    asked = {
        "node": None if node is None else _name(node, "a node"),
        "name": None if name is None else _name(name, "a name"),
        "keep_random": bool(keep_random),
    }
    while (done := _wish("clone", asked)) is None:
        time.sleep(_PAUSE)
    return done[0]


def _name(text: Any, what: str) -> str:
    if not isinstance(text, str):
        raise UsageError(f"{what} is named by a string, not by {type(text).__name__}")
    return str(text)


def _wishes() -> Any:
    """The node's ear in this process, if it is one of a cluster."""
    handler = signal.getsignal(signal.SIGURG)
    wishes = getattr(getattr(handler, "__self__", None), "wishes", None)
    return wishes if getattr(wishes, "version", None) == _VERSION else None


def _wish(kind: str, arguments: dict[str, Any]) -> tuple[Any] | None:
    """What a wish came to; None if the program is about to be frozen by somebody else, which must come first."""
    wishes = _wishes()
    if wishes is None:
        raise NotMobile(
            f"sojourn.{kind}() was called outside of a cluster", advice="start the program with `sojourn run`"
        )
    ask: Callable[..., tuple[str, Any]] = wishes.wish
    del wishes
    outcome, value = ask(kind, arguments, sys._getframe(2))  # pyright: ignore[reportPrivateUsage]
    if outcome == "error":
        raise from_wire(value)
    return None if outcome == "later" else (value,)
