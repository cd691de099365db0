"""What a host does for the node while its program runs: survey, match, freeze, go on.

Theory. The node sends a command over the control channel, and SIGURG with it, and sends the signal again about every
20 ms until it has an answer; the interpreter runs `Commands._signalled` between two instructions of the main thread, or
out of a blocking system call. There is no thread, no timer and no descriptor to watch in the program.

A freeze arms a safe point and returns. At the safe point everything happens in one go: capture, write out, dump,
answer, SIGSTOP. What comes back from the stop without the node's `proceed` (a SIGCONT from somebody else) stops again.

Signals are blocked while we are at work, so that no handler of the program runs among our frames or between its capture
and its end. Those that come meanwhile are pending in the stopped process, where the node finds them. When a handler
that runs as they are let in raises, the exception is kept until the next signal of ours and raised from there: an
exception that leaves an opcode event would be lost.

Guarantees. Without the answer "frozen" the program goes on unharmed. After it no instruction of the program runs before
`proceed`. A freeze whose `cancel` is already there is not begun. In a process that the program forks nothing of this
remains.
"""
# pyright: basic
# (_signal has no stubs; frames and files are Any)

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]
import _thread
import os
import sys
from types import FrameType
from typing import Any

from sojourn._util import clock, descriptors
from sojourn._util.channel import Channel, Message
from sojourn.errors import InternalError, Outdated, Pinned, SojournError, Unmovable, bare
from sojourn.frames import api, looking, tracing
from sojourn.frames.boundary import Pin
from sojourn.frames.capture import capture_stack
from sojourn.frames.file import encode
from sojourn.frames.record import Stack
from sojourn.frames.safepoint import SafePoint
from sojourn.frames.threads import ending
from sojourn.frames.threads.gathering import Elsewhere, Gathering
from sojourn.machines.python import surveying
from sojourn.machines.python.surveying import Surveyor
from sojourn.machines.python.wishes import Wishes
from sojourn.resources import files, standard

SIGNAL = _signal.SIGURG
TRIES = 8  # an object that cannot travel is most often a temporary: half a second, waiting longer each time
PAUSE = 20_000_000  # nanoseconds that threads run on before they are brought to rest again
DEPTH = 32  # frames, more than the handler ever stands on before and after its work
_ALL = _signal.valid_signals()


class Commands:
    """Stands in the signal handler, for as long as the program runs."""

    def __init__(self, channel: Channel, streams: files.Streams) -> None:
        self.channel = channel
        self._streams = streams
        self._pid = os.getpid()
        self._safepoint = SafePoint()
        self.gathering = Gathering()
        self.busy = False
        self._freeze: Freeze | None = None
        self._put_off: list[Message] = []  # what came while the program waited for a wish of its own
        self._thrown: BaseException | None = None
        self._surveyor = Surveyor(streams)
        self._mask: Any = None  # the program's signal mask while we are at work
        self.wishes = Wishes(self)

    def listen(self) -> None:
        """From here on the node is heard."""
        _signal.signal(SIGNAL, self._signalled)
        os.register_at_fork(after_in_child=self._forked)

    def adopt(self, match: Any, digest: str) -> None:
        """The world of this process has been matched before its program came."""
        self._surveyor.adopt(match, digest)

    def _forked(self) -> None:
        self.channel.close()
        if _signal.getsignal(SIGNAL) == self._signalled:
            _signal.signal(SIGNAL, _signal.SIG_DFL)

    # ---- the handler -------------------------------------------------------------------------------------------------

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        # Trace and profile functions of the program are not to be told of our work, but of the call of this very frame,
        # and of its return: they count them. Those written in C cannot be set again as they were, and are told all.
        profiler, tracer = sys.getprofile(), sys.gettrace()
        if profiles := type(profiler) in tracing.PYTHON_MADE:
            sys.setprofile(None)
            tracing.suspended_profiler.append(profiler)
        if traces := type(tracer) in tracing.PYTHON_MADE:
            sys.settrace(None)
            tracing.suspended.append(tracer)
        try:
            self._at_work(frame)
        finally:
            if traces:
                sys.settrace(tracing.suspended.pop())
            if profiles:
                sys.setprofile(tracing.suspended_profiler.pop())

    def _at_work(self, frame: FrameType | None) -> None:
        if self.busy or os.getpid() != self._pid or frame is None or self._nested(frame):
            return
        self.raise_thrown()
        frame, met = self._safepoint.program_frame(frame), False
        self.busy = True
        try:
            if self.shut():
                try:
                    self._heard(frame)
                finally:
                    met = self._met_others()
                    self.open()
        finally:
            self.busy = False
        self.raise_thrown()
        if not met:
            self._safepoint.keep_pausing(frame)

    def _nested(self, frame: FrameType) -> bool:
        """Whether the signal has interrupted an earlier one's handler, before or after its work. Whoever sent it sends
        it again, so it may be let pass; except where that handler pauses in the program's place.
        """
        if self._safepoint.pausing:
            return False
        outer: FrameType | None = frame
        for _ in range(DEPTH):
            if outer is None or outer.f_code is _SIGNALLED:
                break
            outer = outer.f_back
        return outer is not None and outer.f_code is _SIGNALLED

    def raise_thrown(self) -> None:
        """Raises what a handler of the program has raised while we were at work."""
        if (thrown := self._thrown) is not None:
            self._thrown = None
            raise thrown

    def _heard(self, frame: FrameType) -> None:
        messages = self._put_off + self.channel.ready()
        self._put_off = []
        if self.channel.closed:  # the node is gone, and we go with it
            os.kill(self._pid, _signal.SIGKILL)
        cancelled = {message["freeze"] for message, _ in messages if message["op"] == "cancel"}
        if not messages and self._freeze is not None:
            self._safepoint.retap(frame)
            self._settle()
        for message, fds in messages:
            fds = [descriptors.raised(fd) for fd in fds]
            if message["op"] == "freeze":
                # A freeze for a wish is obeyed inside the wish, or not at all.
                if message["id"] in cancelled or message["wish"] is not None:
                    os.close(fds[0])
                    self.answer(message["id"], error=Pinned("the request came too late"))
                else:
                    self._begin(self.freeze_of(message, fds[0]), frame)
            elif message["op"] == "cancel":
                self._cancel(message["freeze"], frame)
            elif message["op"] != "verdict":  # (on a wish that has been called off)
                self.obey(message, frame)

    def obey(self, message: dict[str, Any], frame: FrameType) -> None:
        """Does what needs no freeze, and answers."""
        try:
            done = getattr(self, f"_do_{message['op']}")(message, frame)
        except SojournError as error:
            self.answer(message["id"], error=error)
        except Exception as error:
            self.answer(message["id"], error=as_internal(error))
        else:
            self.answer(message["id"], done)

    def put_off(self, message: dict[str, Any], fds: list[int]) -> None:
        """Keeps a message for the next signal."""
        self._put_off.append((message, [descriptors.raised(fd) for fd in fds]))

    def answer(self, number: int, ok: Any = None, *, error: SojournError | None = None) -> None:
        self.tell(
            {"answer": number, "ok": ok} if error is None else {"answer": number, "error": error.to_wire()}
        )

    def tell(self, message: dict[str, Any]) -> None:
        try:
            self.channel.send(message)
        except OSError:  # the node is gone; its death signal is on its way
            pass

    def _do_identity(self, message: dict[str, Any], frame: FrameType) -> None:
        self.wishes.identity = message["identity"]

    def _do_survey(self, message: dict[str, Any], frame: FrameType) -> dict[str, Any]:
        return self._surveyor.survey(frame, copy=bool(message.get("copy")))

    def _do_match(self, message: dict[str, Any], frame: FrameType) -> None:
        self._surveyor.adopt(api.match(message["baseline"]), message["digest"])

    def _do_inspect(self, message: dict[str, Any], frame: FrameType) -> dict[str, Any]:
        """What the program is doing, for people."""
        return {"frames": looking.frames(frame, None), **looking.modules()}

    # ---- freezing ----------------------------------------------------------------------------------------------------

    def _begin(self, freeze: Freeze, frame: FrameType) -> None:
        self._give_up()
        self._freeze = freeze
        try:
            self._safepoint.request(self._attempt, frame)
        except Pin as pin:
            self._end(error=_pinned(pin.describe()))
            return
        self._settle()

    def _settle(self) -> None:
        """What the safe point caught of our own mistakes is an answer too."""
        failure = self._safepoint.failure
        if self._freeze is not None and failure is not None:
            self._end(error=failure if isinstance(failure, SojournError) else as_internal(failure))

    def _cancel(self, number: int, frame: FrameType) -> None:
        freeze = self._freeze
        if freeze is None or freeze.number != number:
            return
        if freeze.refused is not None:
            self._end(error=freeze.refused)
        else:
            code = frame.f_code
            where = f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}: no safe point was reached"
            late = [] if freeze.late is None else [pin.describe() for pin in freeze.late.pins]
            self._end(error=_pinned(self._safepoint.pinned() or where, late))

    def _give_up(self) -> None:
        self._safepoint.cancel()
        self.gathering.release()
        if self._freeze is not None:
            os.close(self._freeze.fd)
            self._freeze = None

    def _end(self, *, error: SojournError) -> None:
        assert self._freeze is not None
        number = self._freeze.number
        self._give_up()
        self.answer(number, error=error)

    def _attempt(self, frame: FrameType, mode: Any) -> bool:
        """The safe point's callback. True: done (frozen and continued, or refused for good)."""
        freeze = self._freeze
        if freeze is None:  # given up on the way here
            return True
        stopped_at = clock.monotonic_ns()
        if stopped_at < freeze.not_before:
            if (late := freeze.late) is not None:
                raise Elsewhere(late.pins)
            return False
        within = self.busy  # called out of our handler: a blocking call was interrupted
        self.busy = True
        try:
            if not within and not self.shut():
                return False  # a handler of the program has raised, and that comes first
            # Not inside an `except`: what is being handled would be taken for the program's.
            self._gather(freeze, frame)
            stack = capture_stack(frame, base=None, mode=mode, waited=self._safepoint.waited)
            self.gathering.join(stack)
            looked = self._do_inspect({}, frame) if freeze.seen else None
            done = self._write(freeze, stack, looked)
            if done is None:
                return self._refused(freeze)
            self._freeze = None
            done |= {"stopped_at": stopped_at, "frames": len(stack.records)}
            del stack
            self.answer(freeze.number, done)
            self._stop()
            os.close(freeze.fd)
            return True
        finally:
            if freeze.late is None:
                self.gathering.release()
            if not within:
                self.open()
                self.busy = False

    def _gather(self, freeze: Freeze, frame: FrameType) -> None:
        """Brings the other threads to rest. What holds them back is waited for in between."""
        freeze.late = None
        try:
            self.gathering.gather(frame)
        except Elsewhere as late:
            freeze.late = late
            freeze.not_before = clock.monotonic_ns() + PAUSE
            raise

    @property
    def freezing(self) -> bool:
        """Whether a freeze is armed or about to be."""
        return self._freeze is not None or any(message["op"] == "freeze" for message, _ in self._put_off)

    def freeze_of(self, message: dict[str, Any], fd: int) -> Freeze:
        if message["again"]:
            self.gathering.was_disturbed()
        return Freeze(message["id"], fd, copy=message["copy"], seen=message["seen"])

    def freeze_now(self, freeze: Freeze, stack: Stack, stopped_at: int) -> None:
        """At a wish: freezes once, and is refused at once if something cannot travel."""
        done = self._write(freeze, stack)
        if done is None:
            assert freeze.refused is not None
            self.answer(freeze.number, error=freeze.refused)
            return
        self.answer(freeze.number, done | {"stopped_at": stopped_at, "frames": len(stack.records)})
        self._stop()

    def _write(
        self, freeze: Freeze, stack: Stack, looked: dict[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """Writes the image; None when something cannot travel now."""
        entries, reasons = files.capture(self._streams, self._surveyor.holder, whole=True)
        reasons += surveying.objections() + ending.objections(stack)
        if freeze.copy:
            reasons += files.unshareable(entries)
        if reasons:
            freeze.refused = Unmovable("the program holds what cannot travel", reasons=reasons)
            return None
        standard.flush()
        carried = {
            "descriptors": entries,
            "streams": standard.settings(),
            "mask": sorted(map(int, self._mask or ())),
            "argv": sys.orig_argv,
        }
        try:
            seen = [("inspect", encode(looked).encode())] if looked is not None else []
            size = api.freeze_to(freeze.fd, stack, match=self._surveyor.match, carried=carried, segments=seen)
        except Unmovable as refused:
            freeze.refused = bare(refused)
            return None
        freeze.frozen = True
        waiting = [[native, line] for native, line in self.gathering.proof]
        return {"size": size, "input": standard.take_input().decode("latin-1"), "waiting": waiting}

    def _refused(self, freeze: Freeze) -> bool:
        freeze.tries += 1
        if freeze.tries < TRIES and not isinstance(
            freeze.refused, Outdated
        ):  # waiting brings no module's baseline
            freeze.not_before = clock.monotonic_ns() + (1_000_000 << freeze.tries)
            return False
        assert freeze.refused is not None
        self._end(error=freeze.refused)
        return True

    def _stop(self) -> None:
        """Stands still until the node says `proceed`."""
        while True:
            os.kill(self._pid, _signal.SIGSTOP)
            proceed: dict[str, Any] | None = None
            for message, fds in self.channel.ready():
                if message["op"] == "proceed":
                    proceed = message
                elif message["op"] == "identity":
                    self.wishes.identity = message["identity"]
                    self.answer(message["id"])
                else:
                    self.put_off(message, fds)
            if proceed is not None:
                self.answer(proceed["id"])
                return

    def shut(self) -> bool:
        """Blocks all signals. False, and they stay open, if the handler of one that came before has raised."""
        try:
            self._mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
            # With other threads there, ours would interrupt what these wait in.
            _signal.pthread_sigmask(_signal.SIG_BLOCK, _ALL - {SIGNAL} if _thread._count() else _ALL)
        except BaseException as error:  # of the program, to be raised by the handler of our next signal
            self.open()
            self._thrown = error
            return False
        return True

    def _met_others(self) -> bool:
        """Has a signal come for a handler of the program, which is let in next?"""
        pending = _signal.sigpending().difference(self._mask or (), (SIGNAL,))
        return any(callable(_signal.getsignal(number)) for number in pending)

    def open(self) -> None:
        if (mask := self._mask) is not None:
            self._mask = None
            try:
                _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
            except BaseException as error:
                self._thrown = error


class Freeze:
    """One request to freeze."""

    def __init__(self, number: int, fd: int, *, copy: bool, seen: bool) -> None:
        self.number = number
        self.fd = fd
        self.copy = copy
        self.seen = seen  # the image is to say what the program was doing
        self.frozen = False
        self.refused: SojournError | None = None
        self.tries = 0
        self.not_before = 0
        self.late: Elsewhere | None = None  # the thread that was not at rest when it was last tried


_SIGNALLED = Commands._signalled.__code__


def _pinned(where: str, threads: list[str] | None = None) -> Pinned:
    return Pinned(
        f"held by a call that cannot be frozen: {where}",
        reasons=threads or [where],
        advice="try again when it has returned, or give it a longer deadline",
    )


def as_internal(error: BaseException) -> InternalError:
    """Our own mistake, with where it was made."""
    trace, lines = error.__traceback__, [f"{type(error).__name__}: {error}"]
    while trace is not None:
        lines.append(
            f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno} in {trace.tb_frame.f_code.co_qualname}"
        )
        trace = trace.tb_next
    return InternalError(lines[0], history=lines[1:])
