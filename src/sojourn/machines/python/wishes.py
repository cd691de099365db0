"""What the program itself may ask of its node: to be moved, to be copied. The other end of `sojourn.inside`.

Theory. A freeze from outside comes at any instruction; one that the program asks for comes at a call of its own, so
there is nothing to arm and nothing to wait for. The call says to the node what is wanted and then obeys it, blocking,
until it gets a verdict: it answers the survey, and when the freeze comes it captures its own caller as a frame that
has called and is given a result (None). Nothing of ours is in the image: at the target the program goes on behind its
call. Here it stands still in the call; after an abort, or in a clone, the verdict makes the call return, or raise.

A freeze from outside that meets a program in such a call is put off until the call has ended; and a wish that meets
one under way is told so (`busy`): the face then waits in ordinary Python code, where a freeze can take it.

Signals are open while we wait for the node, so that Ctrl-C works. When a handler raises, the node is told that the
wish is called off, and the exception goes its way.

Guarantee: whatever the node answers, or if it is gone, the program stands behind its call exactly once in each process
that there is then.
"""
# pyright: basic
# (_signal has no stubs; frames)

from __future__ import annotations

import _thread
import os
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from sojourn._util import clock, descriptors
from sojourn.errors import Busy, NotMobile, Pinned, SojournError
from sojourn.frames.boundary import Pin
from sojourn.frames.capture import capture_stack
from sojourn.frames.threads.gathering import Elsewhere

if TYPE_CHECKING:
    from sojourn.frames.record import Stack
    from sojourn.machines.python.commands import Commands, Freeze

PATIENCE = 2_000_000_000  # nanoseconds that other threads may take to come to rest
PAUSE = 0.02
Verdict = tuple[str, Any]  # ("ok", what it comes to), ("later", None) or ("error", its wire form)


class Wishes:
    """Found by the face through the signal handler; `version` is of what is between the two."""

    version = 1

    def __init__(self, commands: Commands) -> None:
        self.identity: dict[str, Any] = {}
        self._commands = commands
        self._thread = _thread.get_ident()
        self._process = os.getpid()
        self._number = 0

    def wish(self, kind: str, arguments: dict[str, Any], frame: FrameType) -> Verdict:
        """What becomes of a wish. `frame` is the program's, which called the face."""
        commands = self._commands
        try:
            self._check()
        except Busy:
            return "later", None
        except SojournError as why:
            return "error", why.to_wire()
        commands.busy = True
        self._number += 1
        try:
            commands.channel.send({"event": "wish", "number": self._number, "kind": kind, **arguments})
            verdict = self._verdict(self._number, frame)
            commands.raise_thrown()
            return verdict
        except BaseException:  # a signal handler of the program has raised, or the node is gone
            commands.tell({"event": "unwish", "number": self._number})
            raise
        finally:
            commands.busy = False

    def _check(self) -> None:
        """Raises Busy, NotMobile."""
        if os.getpid() != self._process:
            raise NotMobile("a process that the program has forked does not move")
        if _thread.get_ident() != self._thread:
            raise NotMobile("only the main thread can ask for this", advice="let the main thread do it")
        if self._commands.busy or self._commands.freezing:
            raise Busy("somebody else is about to freeze the program")

    def _verdict(self, number: int, frame: FrameType) -> Verdict:
        commands = self._commands
        while (received := commands.channel.receive()) is not None:
            message, fds = received
            if message["op"] == "verdict":
                if message["wish"] == number:
                    break
            elif message["op"] == "freeze" and message["wish"] == number:
                self._freeze(commands.freeze_of(message, descriptors.raised(fds[0])), frame)
            elif message["op"] in ("freeze", "cancel"):
                commands.put_off(message, fds)
            else:
                commands.obey(message, frame)
        else:
            os._exit(1)  # the node is gone, and we go with it
        if (error := message.get("error")) is not None:
            return ("later", None) if error["code"] == Busy.code else ("error", error)
        return "ok", message["ok"]

    def _freeze(self, freeze: Freeze, frame: FrameType) -> None:
        """Captures the caller, answers, and stops until the node says `proceed`."""
        commands = self._commands
        try:
            if not commands.shut():
                commands.answer(freeze.number, error=Pinned("a signal came first"))
                return
            try:
                stopped_at = clock.monotonic_ns()
                stack = self._captured(freeze, frame)
                if stack is not None:
                    commands.freeze_now(freeze, stack, stopped_at)
            finally:
                commands.gathering.release()
                commands.open()
        finally:
            os.close(freeze.fd)

    def _captured(self, freeze: Freeze, frame: FrameType) -> Stack | None:
        """The program up to its call of the face; None, and the node knows why, if it cannot be captured there."""
        gathering, until = self._commands.gathering, clock.monotonic_ns() + PATIENCE
        while True:
            try:
                gathering.gather(frame)
                stack = capture_stack(frame, base=None, mode="called")
                gathering.join(stack)
                return stack
            except Pin as pin:
                where = pin.describe()
                if not isinstance(pin, Elsewhere) or clock.monotonic_ns() > until:
                    break
            time.sleep(PAUSE)
        why = Pinned(
            f"held by a call that cannot be frozen: {where}",
            reasons=[where],
            advice="call it where no C function waits for the result",
        )
        self._commands.answer(freeze.number, error=why)
        return None
