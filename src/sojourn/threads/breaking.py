"""Interruptions of plain functions, which do not wait in anything of ours: raised between two of their lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sojourn._util import interrupts
from sojourn.threads.probe import BrokenInto
from sojourn.threads.thread import Thread, guard

if TYPE_CHECKING:
    from sojourn.threads.lwp import Lwp


def break_in(lwp: Lwp, thread: Thread[Any]) -> None:
    """Raise what is pending in the function that the LWP is lent to, at its next line."""
    with guard:
        scopes = [getattr(error, "scope", None) for error in thread.pending or ()]
        if thread.home is lwp and lwp.lent and None in scopes:  # a time limit waits until it waits
            lwp.broken_into = True
            interrupts.raise_in(lwp.ident, BrokenInto)


def settle(lwp: Lwp, thread: Thread[Any]) -> None:
    """The function is over: nothing is to be raised on its LWP, which this is, any more."""
    with guard:
        thread.home = None
    if lwp.broken_into:
        interrupts.settle()
        lwp.broken_into = False
