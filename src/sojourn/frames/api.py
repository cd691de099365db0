"""What a host process calls: match a world, freeze to an image, thaw from one.

The source: `match(baseline)` once; at a safe point, `freeze_to(fd, stack, match=…)`.
The target, a process that has imported the baseline's modules (`import_modules`) and run nothing:
`match(baseline)`, `open_image(fd)`, `thaw_from(image, match=…)`, and, when it may run, `Thawed.go()`.

Guarantees. `freeze_to` changes nothing that the program could see, and writes nothing if it raises. `thaw_from` runs no
frame of the program; it either gives a process that is complete, or raises. `go` may be called once.
"""

from __future__ import annotations

import sys
from _contextvars import Context
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, cast

from sojourn.errors import BadImage, InternalError, Outdated, Unmovable

from . import file, heap, loops, world
from .file import Image
from .heap.library import Library
from .heap.variables import set_variables
from .pause import collector_paused
from .record import Stack
from .resume import build, forget_makers
from .threads import crew
from .tracing import watchers
from .world import Baseline, Match, clocks, state
from .world.clocks import Clocks

__all__ = [
    "Image",
    "Thawed",
    "freeze_to",
    "import_modules",
    "library_modules",
    "make_baseline",
    "match",
    "open_image",
    "survey",
    "thaw_from",
    "warm_up",
]

_OURS = __name__.partition(".")[0]
_MOST_THREADS = 10_000


def library_modules() -> list[str]:
    """The modules of the environment that are imported now, in order: what a baseline has to cover."""
    library = Library()
    return [
        name for name, module in library.library.items()
        if library.name_of_module(module) == name and name.partition(".")[0] != _OURS
    ]  # fmt: skip


def import_modules(names: Iterable[str]) -> list[str]:
    """Import what can be imported, in order; returns what could not."""
    failed: list[str] = []
    for name in names:
        try:
            __import__(name)
        except Exception:
            failed.append(name)
    return failed


def make_baseline(names: Iterable[str]) -> bytes:
    """The pristine world of these modules, as bytes. To be called where no program has run.

    Modules that theirs made in passing (extension modules do, without file or spec) are part of it.
    """
    wanted = list(names)
    wanted += [
        name for name, module in sys.modules.items()
        if name not in wanted and name != "__main__" and type(module) is ModuleType
        and module.__dict__.get("__spec__") is None and module.__dict__.get("__file__") is None
    ]  # fmt: skip
    with collector_paused():
        return world.make_baseline(wanted).to_bytes()


def match(baseline: Baseline | bytes | str) -> Match:
    """Bind a baseline (or its bytes, or its path) to this process."""
    with collector_paused():
        if isinstance(baseline, str):
            baseline = Baseline.load(baseline)
        elif not isinstance(baseline, Baseline):
            baseline = Baseline.from_bytes(baseline)
        matched = world.match(baseline)
        heap.prepare(matched)
    return matched


def warm_up(match: Match) -> None:
    """Do now, off the downtime, what makes the next freeze quick; best called where a move is announced.

    In a process forked from a warm template the first look at the whole world copies the template's pages.
    """
    match.recheck()
    heap.prepare(match)


def survey() -> dict[str, Any]:
    """What this process needs elsewhere, as far as the engine knows: its interpreter and its library modules."""
    origin = file.Origin.here()
    return {
        "origin": {name: getattr(origin, name) for name in file.Origin.__slots__},
        "modules": library_modules(),
    }


def freeze_to(
    fd: int,
    stack: Stack,
    *,
    match: Match | None,
    carried: dict[str, Any] | None = None,
    fields: dict[str, Any] | None = None,
    segments: Iterable[tuple[str, Any]] = (),
) -> int:
    """Write this process to `fd`; returns the size of the image.

    Args:
        match: the baseline, bound; None gives an image that only names what the library has (no edits travel).
        carried: JSON-able, handed back by `Image.header["carried"]` before anything is built.
        fields: further fields of the header.
        segments: further segments, (name, bytes).

    Raises:
        Unmovable: something cannot travel, or a debugger or its like watches; nothing was written.
        Outdated: modules came after the survey.
    """
    if reasons := watchers():
        raise Unmovable("somebody watches the program", reasons=reasons)
    if reasons := loops.objections(each.loop[0] for each in stack.threads if each.loop is not None):
        raise Unmovable("the program's event loop cannot travel", reasons=reasons)
    outside = Context() if stack.context is None else stack.context.copy()  # not one that a frame has entered
    values = outside.run(state.capture)
    edits: list[Any] = []
    names: list[tuple[str, Any]] = [(name, value) for name, value in values.items()]
    if match is not None:
        late = [name for name in library_modules() if name not in match.pristine]
        if late:
            raise Outdated(
                f"modules were imported after the program was surveyed: {', '.join(late[:8])}",
                advice="try again", details={"modules": late},
            )  # fmt: skip
        match.recheck()
        edits = world.edits(match)
        names = [
            (match.baseline.describe_edge(index, key), value)
            for index, dirty in match.dirty.items()
            for key, value in dirty.items()
        ] + names
    roots = {
        "records": stack.records,
        "modules": list(Library(match.pristine if match is not None else frozenset()).modules.values()),
        "edits": edits,
        "state": values,
        "threads": [
            (each.ident, each.records, each.thread, each.variables, each.mask, each.loop)
            for each in stack.threads
        ],
    }
    data, buffers = _dump(roots, stack, match, names)
    header = {
        **(fields or {}),
        "carried": carried or {},
        "baseline": match.baseline.digest if match is not None else None,
        "frames": len(stack.records),
        "clocks": clocks.reading(),
        "threads": [crew.describe(each.ident) for each in stack.threads],
    }
    views = [each.raw() for each in buffers]
    try:
        parts = [("heap", data), *segments, *((f"buffer{i}", each) for i, each in enumerate(views))]
        return file.write(fd, parts, header)
    finally:
        heap.release([*views, *buffers])


def _dump(
    roots: dict[str, Any], stack: Stack, match: Match | None, names: list[tuple[str, Any]]
) -> tuple[bytes, list[Any]]:
    """The heap. What cannot travel is no reason to refuse if only a cache of the library holds it: that stays."""

    records = [*stack.records, *(record for each in stack.threads for record in each.records)]
    code = [*(record.code for record in records), *roots["modules"]]

    def dump(edits: list[Any]) -> tuple[bytes, list[Any]]:
        buffers: list[Any] = []
        whole = {**roots, "edits": edits, "held": world.referents(edits)}
        return heap.dump(whole, stack=stack, world=match, buffers=buffers, names=names, code=code), buffers

    def travels(edit: Any) -> bool:
        try:
            heap.release(dump([*bare, edit])[1])
        except Unmovable:
            return False
        return True

    edits = roots["edits"]
    bare = world.bare(edits)
    try:
        return dump(edits)
    except Unmovable:
        if len(bare) == len(edits):
            raise
        heap.release(dump(bare)[1])  # raises if the caches are not to blame
        return dump(bare + [edit for edit in world.caches(edits) if travels(edit)])


def open_image(fd: int) -> Image:
    """Map and check an image; raises BadImage, and Refused if it is another interpreter's."""
    image = Image.open(fd)
    image.origin.check()
    return image


class Thawed:
    """A process that is complete and does not run yet."""

    def __init__(
        self,
        resumer: Callable[[], object],
        values: dict[str, Any],
        frames: int,
        clock: Clocks,
        threads: crew.Crew | None = None,
    ) -> None:
        self.frames = frames
        self._threads = threads
        self._clock = clock
        self._resumer: Callable[[], object] | None = resumer
        self._values = values

    def release(self) -> Callable[[], object]:
        """The call that goes on from where the program was frozen; timers, signals and threads run from now on."""
        resumer, self._resumer = self._resumer, None
        if resumer is None:
            raise InternalError("a thawed process runs once")
        forget_makers()
        values, self._values = self._values, {}
        state.restore(values, start=True)
        self._clock.start()
        if self._threads is not None:
            self._threads.set_off()
        return resumer

    def go(self) -> object:
        """Run the program from where it was frozen; returns what its outermost frame returns."""
        return self.release()()


def thaw_from(image: Image, *, match: Match | None) -> Thawed:
    """Build the program of an image in this process.

    Raises:
        BadImage: the image is damaged.
        Refused: this process does not have what the image refers to, or its state cannot be set up; with reasons.
    """
    clock = Clocks(image.header.get("clocks"))
    rows = _thread_rows(image.header.get("threads", []))
    if not rows:
        return _thaw(image, match, clock, None)
    threads = crew.Crew(rows)
    try:
        return _thaw(image, match, clock, threads)
    except BaseException:
        threads.dismiss()
        raise


def _thread_rows(rows: Any) -> list[dict[str, bool]]:
    """What an image says of its threads. Raises BadImage."""
    if type(rows) is not list or len(cast("list[Any]", rows)) > _MOST_THREADS:
        raise BadImage("the image does not say what its threads are")
    listed = cast("list[Any]", rows)
    for row in listed:
        wanted = cast("dict[str, Any]", row) if type(row) is dict else {}
        if not all(type(wanted.get(name)) is bool for name in ("daemon", "joined")):
            raise BadImage("the image does not say what its threads are")
    return listed


def _thaw(image: Image, match: Match | None, clock: Clocks, threads: crew.Crew | None) -> Thawed:
    if match is not None:
        match.settle()
    heap.remember_mapping(image.data.obj)
    roots = heap.load(image.segment("heap"), image.buffers(), match)
    if match is not None:
        world.apply(roots["edits"], match)
    state.restore(roots["state"])
    heap.reach()  # (a program may walk over sys.modules)
    for ident, records, thread, variables, mask, loop in roots.get("threads", ()):  # none in images of older versions
        member = crew.member(ident)
        if thread is not None:
            vars(thread)["_native_id"] = member.native
        set_variables(ident, dict(zip(variables[::2], variables[1::2], strict=True)))
        if loop is not None:
            member.do(loops.restore_in, loop)
        member.take_on(build(records), mask)
    records = roots["records"]
    return Thawed(build(records), roots["state"], len(records), clock, threads)
