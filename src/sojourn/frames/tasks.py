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
the program's own step is about to set again (`_Entering`).

Rejected: a table of offsets (five versions, and more within them: 3.12.1 is not 3.12.4); making a task by its
constructor (it asks the loop, which may not be complete yet, for a step); replacing C's tasks by Python's (a program
sees the type, and half the speed).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from types import BuiltinFunctionType, ModuleType
from typing import Any

from .analyze import VERSION
from .lookup import find, is_a
from .probes import Words
from .steps import awaits

_attributes = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.c_void_p)(
    ("PyObject_GenericGetDict", ctypes.pythonapi)
)


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


def attributes(future: Any) -> dict[str, Any]:
    """What a program has set on a future of a class of its own; there is no `__dict__` to ask for."""
    return _attributes(future, None)


# ---- steps that are under way ----------------------------------------------------------------------------------------


def stepped_by(callback: Any, generator: Any) -> Any:
    """The task whose step this callback is, if the step runs this coroutine or async generator; else None."""
    if type(callback).__name__ != "TaskStepMethWrapper" and not is_wakeup(callback):
        return None
    owner = callback.__self__
    return owner if is_task(owner) and awaits(generator, coroutine_of(owner)) else None


def is_wakeup(function: Any) -> bool:
    return type(function) is BuiltinFunctionType and function.__name__ == "task_wakeup" and is_task(function.__self__)


def again(task: Any) -> Callable[[], Any]:
    """A callable, made in C, that takes up the step of a task whose coroutine was rebuilt in the middle of it.

    The step is C's own: it enters the task, sends into the coroutine, which drops that and goes on, and does with what
    comes of it what it would have done.
    """
    leave(task)
    if must_cancel(task):
        _Entering(task)
    return words().step(task)


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


class _Entering:
    """A task was asked to be cancelled while its step ran; a step that *begins* would throw that in at once.

    So the bit is taken away, and set again when the step has begun: the coroutine's place is taken by an iterator, made
    in C, that calls us first and then the coroutine. Who asks for the two in between gets what they are to be.
    """

    def __init__(self, task: Any) -> None:
        if id(task) in _entering:  # one that came no further than that
            _entering[id(task)].entered()
        self.task, self.coroutine = task, shown(task, "_coro")
        words().set_must(task, False)
        self._iterator = map(self.coroutine.send, iter(self.entered, self))
        words().write(task, "coroutine", self._iterator)
        _entering[id(task)] = self

    def entered(self) -> None:
        if _entering.pop(id(self.task), None) is self:
            words().set_must(self.task, True)
            words().write(self.task, "coroutine", self.coroutine)


_entering: dict[int, _Entering] = {}  # by id of the task


def coroutine_of(task: Any) -> Any:
    entering = _entering.get(id(task))
    return shown(task, "_coro") if entering is None else entering.coroutine


def must_cancel(task: Any) -> bool:
    """Is the task to be cancelled at its next step?"""
    return id(task) in _entering or shown(task, "_must_cancel")
