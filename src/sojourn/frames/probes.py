# pyright: basic
# (raw memory, and a module without stubs)
"""Where C keeps the fields of asyncio's futures and tasks, found out by probes (see `tasks` for the theory).

Probes are futures and tasks of the program's own module, on a loop that only notes what it is given.
"""

from __future__ import annotations

import ctypes
import sys
from _contextvars import Context
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from sojourn.errors import UsageError

from .analyze import VERSION
from .memory import Memory

_WORD = ctypes.sizeof(ctypes.c_void_p)
HEAD = 2 * _WORD  # of an object; what is behind it in a C function object is the definition
_api = ctypes.pythonapi
_word = ctypes.c_size_t.from_address
_object = ctypes.py_object
# Prototypes of our own: `ctypes.pythonapi` keeps what it has looked up, and is the program's, too.
_new_function = ctypes.PYFUNCTYPE(_object, ctypes.c_void_p, _object, ctypes.c_void_p)(("PyCFunction_NewEx", _api))
_allocate = ctypes.PYFUNCTYPE(_object, _object, ctypes.c_ssize_t)(("PyType_GenericAlloc", _api))
_module_state = ctypes.PYFUNCTYPE(ctypes.c_void_p, _object)(("PyModule_GetState", _api))
_take = ctypes.PYFUNCTYPE(None, _object)(("Py_IncRef", _api))
_drop = ctypes.PYFUNCTYPE(None, _object)(("Py_DecRef", _api))
_STATE, _LIBRARY = 1024, 1 << 14  # bytes that are searched of a module's state, or of each part of a library
_size = type.__dict__["__basicsize__"].__get__


class _Loop:
    """What a probe takes for its loop."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def call_soon(self, callback: Any, *_: Any, context: Any = None) -> None:
        self.calls.append(callback)


async def _await(future: Any, seen: list[Any]) -> None:
    try:
        await future
    except BaseException as error:
        seen.append(error)
        raise


class Words:
    """The fields of one module's futures and tasks, and the types of what belongs to them."""

    def __init__(self, asyncio: Any) -> None:
        self.asyncio = asyncio
        self.places: dict[str, int] = {}  # offset of a field that holds a reference
        loop, context, seen = _Loop(), Context(), []
        future: Any = asyncio.Future(loop=loop)
        coroutine: Any = _await(future, seen)
        with _aside(asyncio, loop):
            task = asyncio.Task(coroutine, loop=loop, name="probe", context=context)
            try:
                step = loop.calls.pop()
                step()
                wakeup = future._callbacks[0][0]
                iterator = asyncio.Future.__await__(future)
                self._find(task, loop=loop, coroutine=coroutine, context=context, waiter=future)
                self._find_in(iterator, "of an iterator", future)
                self._find_in(step, "of a step", task)
                asyncio.Future.cancel(future)
                wakeup(future)
                self._find(task, cancelled=seen[0])
                seen.pop().__traceback__ = None  # it holds this frame, and that the task
            finally:
                coroutine.close()
                _forget(asyncio, task)
            self._find_counts(loop, context)
            self._find_marks(loop)
            self._find_counter(loop)
            loop.calls.clear()  # a program that counts what its collector finds is not to find the probes
        self._find_traceback(loop)
        self.step_type, self.iterator_type = type(step), type(iterator)
        self.wakeup_definition = _word(id(wakeup) + HEAD).value

    def _find(self, obj: Any, **wanted: Any) -> None:
        for name, value in wanted.items():
            self._find_in(obj, name, value)

    def _find_in(self, obj: Any, name: str, value: Any) -> None:
        places = places_of(obj, value)
        if len(places) != 1:
            raise UsageError(f"this interpreter keeps the {name} of asyncio's tasks where it was not expected")
        self.places[name] = places[0]

    def _find_counts(self, loop: Any, context: Any) -> None:
        """The number of times that a task was asked to be cancelled, and the bit that says that it will be."""
        coroutine: Any = _await(None, [])
        task = self.asyncio.Task(coroutine, loop=loop, name="probe", context=context)
        try:
            task._cancel_message = None
            states = [_bytes(task)]
            for _ in range(2):
                self.asyncio.Task.cancel(task)
                states.append(_bytes(task))
        finally:
            _forget(self.asyncio, task)
            _never_awaited(coroutine)
        first, second = (_changed(one, other) for one, other in pairwise(states))
        if len(second) != 1 or len(first) != 2 or not second < first:
            raise UsageError("this interpreter counts cancellations of asyncio's tasks where it was not expected")
        (self.requested,), (self.must,) = second, first - second
        self.must_mask = states[0][self.must] ^ states[1][self.must]

    def _find_traceback(self, loop: Any) -> None:
        """Up to some version a future keeps its exception's traceback, and gives it back once."""
        future = self.asyncio.Future(loop=loop)
        try:
            raise LookupError
        except LookupError as error:
            future.set_exception(error)
            future._log_traceback = False
            wanted, error.__traceback__ = error.__traceback__, None
        for place in places_of(future, wanted):
            self.places["traceback"] = place
        del wanted, future  # or the traceback would keep this frame alive, and all those outside of it

    def _find_marks(self, loop: Any) -> None:
        """From 3.14 on a task says in a byte, for debuggers, that it is one."""
        self.marks: dict[int, int] = {}
        if VERSION < (3, 14):
            return
        bare, future = self.asyncio.Task.__new__(self.asyncio.Task), self.asyncio.Future(loop=loop)
        self.asyncio.Future.__init__(bare, loop=loop)
        coroutine: Any = _await(None, [])
        task = self.asyncio.Task(coroutine, loop=loop, name="probe")
        _forget(self.asyncio, task)
        _never_awaited(coroutine)
        ours, theirs = _bytes(bare), _bytes(task)
        self.marks = {at: theirs[at] for at in _changed(ours, theirs) if at < len(_bytes(future)) and at != self.must}

    def _find_counter(self, loop: Any) -> None:
        """Where C counts the tasks that it has named; None if that is not found."""
        self._counter: int | None = None
        with Memory() as memory:
            regions = [(start, size) for start, size in _static(self.asyncio) if size > 0]
            first = self._name_one(loop)
            before = [memory.read(start, size) for start, size in regions]
            self._name_one(loop)
            after = [memory.read(start, size) for start, size in regions]
        wanted, following = (number.to_bytes(_WORD, sys.byteorder) for number in (first, first + 1))
        places = [
            start + at
            for (start, _), one, other in zip(regions, before, after, strict=True)
            for at in range(0, min(len(one), len(other)), _WORD)
            if one[at : at + _WORD] == wanted and other[at : at + _WORD] == following
        ]
        if len(places) == 1:
            self._counter = places[0]
            self.named = first - 1

    def _name_one(self, loop: Any) -> int:
        coroutine: Any = _await(None, [])
        task = self.asyncio.Task(coroutine, loop=loop)
        _forget(self.asyncio, task)
        _never_awaited(coroutine)
        return int(task.get_name().rpartition("-")[2])

    @property
    def named(self) -> int | None:
        """How many tasks have got a name from C; the next one has the next number."""
        return None if self._counter is None else _word(self._counter).value

    @named.setter
    def named(self, count: int) -> None:
        if self._counter is not None:
            _word(self._counter).value = count

    # Fields

    def mark(self, task: Any) -> None:
        """What says that a task is one."""
        for at, value in self.marks.items():
            ctypes.c_ubyte.from_address(id(task) + at).value = value

    def read(self, obj: Any, name: str) -> Any:
        """The object that a field holds; None if none."""
        place = self.places.get(name)
        address = _word(id(obj) + place).value if place is not None else 0
        return _follow(address) if address else None

    def write(self, obj: Any, name: str, value: Any) -> None:
        """Have a field hold this, or nothing if it is None."""
        place = self.places.get(name)
        if place is not None:
            store(obj, place, value)

    def count(self, task: Any) -> int:
        return ctypes.c_int.from_address(id(task) + self.requested).value

    def set_count(self, task: Any, count: int) -> None:
        ctypes.c_int.from_address(id(task) + self.requested).value = count

    def set_must(self, task: Any, must: bool) -> None:
        """Whether the task is to be cancelled at its next step."""
        bits = ctypes.c_ubyte.from_address(id(task) + self.must)
        bits.value = bits.value | self.must_mask if must else bits.value & ~self.must_mask

    # Callables

    def step(self, task: Any, error: Any = None) -> Any:
        """What a loop calls to have a task take a step, with an exception or without."""
        made = _allocate(self.step_type, 0)
        store(made, self.places["of a step"], task)
        store(made, self.places["of a step"] + _WORD, error)
        return made

    def wakeup(self, task: Any) -> Any:
        """What a future calls when the task that waits for it may go on."""
        return _new_function(self.wakeup_definition, task, None)

    def iterator(self, future: Any) -> Any:
        """What `await future` runs; one that is over for None."""
        made = _allocate(self.iterator_type, 0)
        store(made, self.places["of an iterator"], future)
        return made


def places_of(obj: Any, value: Any) -> list[int]:
    """Offsets in an object at which a reference to this value stands."""
    return [at for at in range(HEAD, _size(type(obj)), _WORD) if _word(id(obj) + at).value == id(value)]


def store(obj: Any, place: int, value: Any) -> None:
    """Have an owned reference at this offset of an object instead of what there is; NULL for None."""
    slot = _word(id(obj) + place)
    former = slot.value
    if value is not None:
        _take(value)
    slot.value = 0 if value is None else id(value)
    if former:
        _drop(_follow(former))


def _follow(address: int) -> Any:
    return ctypes.cast(address, _object).value


def _bytes(obj: Any) -> bytes:
    return ctypes.string_at(id(obj), _size(type(obj)))


def _changed(one: bytes, other: bytes) -> set[int]:
    return {at for at in range(HEAD, len(one)) if one[at] != other[at]}


def _forget(asyncio: Any, task: Any) -> None:
    task._log_destroy_pending = False
    asyncio._unregister_task(task)


def _static(asyncio: Any) -> list[tuple[int, int]]:
    """Where a C module keeps what belongs to no object: its state, or (3.11) the data of its library."""
    state = _module_state(asyncio)
    if state:
        return [(state, _STATE)]
    found: list[tuple[int, int]] = []
    end, ours = 0, False
    with open("/proc/self/maps") as maps:
        for line in maps:
            span, rights, _, _, inode, *path = line.split()
            start, stop = (int(each, 16) for each in span.split("-"))
            ours = path[:1] == [asyncio.__file__] or (ours and start == end and inode == "0" and not path)
            if ours and rights.startswith("rw"):
                found.append((start, min(stop - start, _LIBRARY)))
            end = stop
    return found


def _never_awaited(coroutine: Any) -> None:
    """It has not begun, and is not to complain of that."""
    try:
        coroutine.throw(GeneratorExit)
    except GeneratorExit:
        pass


@contextmanager
def _aside(asyncio: Any, loop: Any) -> Iterator[None]:
    """Another loop is the running one, and no task is the current one. From 3.14 on C insists on that."""
    if VERSION < (3, 14):
        yield
        return
    running = asyncio._get_running_loop()
    current = asyncio._swap_current_task(running, None) if running is not None else None
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(running)
        if current is not None:
            asyncio._swap_current_task(running, current)
