# pyright: basic
# (raw memory, and a module without stubs)
"""asyncio's tasks and futures as C keeps them: where their fields are, and the callables that step a task.

Theory. A future shows most of itself by attributes, and takes most of it back by its own methods: a result, an
exception, callbacks. What it does not take (its loop; a task's coroutine, context, what it waits for, whether it is to
be cancelled) is a word or a few bits of its C struct, which is another one in nearly every version. So nothing of it
stands in a table: once for each `_asyncio` module, two probes, a future and a task on a loop that only notes what it
is given, are led through known states, and the words in which what they were given turns up are the fields.

What asyncio puts on a loop for a task are two callables that only C can make: one that begins a step (`step`) and one
that a future calls when it is done (`wakeup`). The probes show how they are made, too.

Guarantees. The module is never imported here: it is the program's. The probes leave nothing behind: no registered
task, no number of a task's name, no running loop. What is written to are objects that have just been made, or bits that
the program's own step is about to set again (`Entered`).

Rejected: a table of offsets (five versions, and more within them: 3.12.1 is not 3.12.4); making a task by its
constructor (it asks the loop, which may not be complete yet, for a step); replacing C's tasks by Python's (a program
sees the type, and half the speed).
"""

from __future__ import annotations

import ctypes
import sys
from _contextvars import Context
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType, CoroutineType, ModuleType
from typing import Any

from sojourn.errors import UsageError

from .analyze import VERSION
from .lookup import find, is_a

_WORD = ctypes.sizeof(ctypes.c_void_p)
_HEAD = 2  # words of an object's head
_DEFINITION = 2 * _WORD  # of a C function object: behind its head
_api = ctypes.pythonapi
_word = ctypes.c_size_t.from_address
_object = ctypes.py_object
# Prototypes of our own: `ctypes.pythonapi` keeps what it has looked up, and is the program's, too.
_new_function = ctypes.PYFUNCTYPE(_object, ctypes.c_void_p, _object, ctypes.c_void_p)(("PyCFunction_NewEx", _api))
_allocate = ctypes.PYFUNCTYPE(_object, _object, ctypes.c_ssize_t)(("PyType_GenericAlloc", _api))
_attributes = ctypes.PYFUNCTYPE(_object, _object, ctypes.c_void_p)(("PyObject_GenericGetDict", _api))
_take = ctypes.PYFUNCTYPE(None, _object)(("Py_IncRef", _api))
_drop = ctypes.PYFUNCTYPE(None, _object)(("Py_DecRef", _api))


def module() -> Any:
    """The program's `_asyncio`; None if it has none, or one of another make."""
    found = sys.modules.get("_asyncio")
    return found if type(found) is ModuleType and type(vars(found).get("Task")) is type else None


def task_type() -> Any:
    """The class of C tasks, which is no class of any object's where the program has none."""
    found = module()
    return found.Task if found is not None else None


def is_task(value: Any) -> bool:
    kind = task_type()
    return kind is not None and is_a(value, kind)


def shown(future: Any, name: str) -> Any:
    """An attribute as C shows it, whatever a subclass makes of it."""
    kind = next(base for base in type.mro(type(future)) if base.__name__ in ("Future", "Task") and _in_c(base))
    return find(kind, name).__get__(future)


def _in_c(kind: type) -> bool:
    return type.__dict__["__module__"].__get__(kind) == "_asyncio"


# ---- where the fields are --------------------------------------------------------------------------------------------


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
                wakeup = shown(future, "_callbacks")[0][0]
                iterator = asyncio.Future.__await__(future)
                self._find(task, loop=loop, coroutine=coroutine, context=context, waiter=future)
                self._find_in(iterator, "of an iterator", future)
                self._find_in(step, "of a step", task)
                asyncio.Future.cancel(future)
                wakeup(future)
                self._find(task, cancelled=seen.pop())
            finally:
                coroutine.close()
                _forget(asyncio, task)
            self._find_counts(loop, context)
        self._find_traceback(loop)
        self.step_type, self.iterator_type = type(step), type(iterator)
        self.wakeup_definition = _word(id(wakeup) + _DEFINITION).value

    def _find(self, obj: Any, **wanted: Any) -> None:
        for name, value in wanted.items():
            self._find_in(obj, name, value)

    def _find_in(self, obj: Any, name: str, value: Any) -> None:
        size = type.__dict__["__basicsize__"].__get__(type(obj))
        places = [at for at in range(_HEAD * _WORD, size, _WORD) if _word(id(obj) + at).value == id(value)]
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
            with _aside(self.asyncio, loop):  # it has not begun, and is not to complain that nobody has awaited it
                try:
                    coroutine.throw(GeneratorExit)
                except GeneratorExit:
                    pass
        first, second = (_changed(one, other) for one, other in zip(states, states[1:], strict=False))
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
        places = [
            at for at in range(_HEAD * _WORD, type(future).__basicsize__, _WORD)
            if _word(id(future) + at).value == id(wanted)
        ]  # fmt: skip
        if places:
            self.places["traceback"] = places[0]

    # Fields

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


_found: list[Words] = []


def words() -> Words:
    """The fields of the program's `_asyncio`.

    Raises:
        UsageError: they are not where they may be.
    """
    asyncio = module()
    if not _found or _found[0].asyncio is not asyncio:
        _found[:] = [Words(asyncio)]
    return _found[0]


def store(obj: Any, place: int, value: Any) -> None:
    """Have an owned reference at this offset of an object instead of what there is; NULL for None."""
    slot = _word(id(obj) + place)
    former = slot.value
    if value is not None:
        _take(value)
    slot.value = 0 if value is None else id(value)
    if former:
        _drop(_follow(former))


def offset_of(obj: Any, value: Any) -> int:
    """Where in an object a reference to this value stands."""
    size = type.__dict__["__basicsize__"].__get__(type(obj))
    return next(at for at in range(_HEAD * _WORD, size, _WORD) if _word(id(obj) + at).value == id(value))


def attributes(future: Any) -> dict[str, Any]:
    """What a program has set on a future of a class of its own; there is no `__dict__` to ask for."""
    return _attributes(future, None)


def _follow(address: int) -> Any:
    return ctypes.cast(address, _object).value


def _bytes(obj: Any) -> bytes:
    return ctypes.string_at(id(obj), type(obj).__basicsize__)


def _changed(one: bytes, other: bytes) -> set[int]:
    return {at for at in range(_HEAD * _WORD, len(one)) if one[at] != other[at]}


def _forget(asyncio: Any, task: Any) -> None:
    task._log_destroy_pending = False
    asyncio._unregister_task(task)


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


# ---- steps that are under way ----------------------------------------------------------------------------------------


def stepped_by(callback: Any, coroutine: Any) -> Any:
    """The task whose step this callback is, if the step runs this coroutine; else None."""
    kind, owner = type(callback), getattr(callback, "__self__", None)
    ours = kind.__name__ == "TaskStepMethWrapper" or is_wakeup(callback)
    if ours and type(coroutine) is CoroutineType and is_task(owner) and shown(owner, "_coro") is coroutine:
        return owner
    return None


def is_wakeup(function: Any) -> bool:
    return type(function) is BuiltinFunctionType and function.__name__ == "task_wakeup" and is_task(function.__self__)


def again(task: Any) -> Callable[[], Any]:
    """A callable, made in C, that takes up the step of a task whose coroutine was rebuilt in the middle of it.

    The step is C's own: it enters the task, sends into the coroutine, which drops that and goes on, and does with what
    comes of it what it would have done.
    """
    found = words()
    leave(task)
    if shown(task, "_must_cancel"):
        Entered(found, task)
    return found.step(task)


def leave(task: Any) -> None:
    """If the task is the current one of its loop, let none be."""
    asyncio, loop = module(), shown(task, "_loop")
    if current_task(loop) is task:
        asyncio._leave_task(loop, task)


def current_task(loop: Any) -> Any:
    asyncio = module()
    if VERSION >= (3, 14):
        return asyncio.current_task(loop) if asyncio._get_running_loop() is loop else None
    return asyncio._current_tasks.get(loop)


class Entered:
    """A task was asked to be cancelled while its step ran; a step that *begins* would throw that in at once.

    So the bit is taken away, and set again when the step has begun: the coroutine's place is taken by an iterator, made
    in C, that calls us first and then the coroutine.
    """

    def __init__(self, found: Words, task: Any) -> None:
        self._words, self._task, self._coroutine = found, task, shown(task, "_coro")
        found.set_must(task, False)
        self._iterator = map(self._coroutine.send, iter(self.entered, self))
        found.write(task, "coroutine", self._iterator)

    def entered(self) -> None:
        self._words.set_must(self._task, True)
        self._words.write(self._task, "coroutine", self._coroutine)
