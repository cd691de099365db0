"""How objects travel that cannot say so themselves: `sojourn.register`.

    import camera, sojourn

    sojourn.register(camera.Handle, capture=lambda handle: handle.device, restore=camera.open)

`capture` is given an object and gives its state; `restore` is given that state, elsewhere, and gives the object again.
Packages say the same by an entry point, without importing anything of ours (docs/reducers.md).

Theory. This is an ordinary module of the program, as `inside` is: it keeps what was registered, and does nothing with
it. The engine in the process's host looks here when it freezes, and brings the table along to where the process thaws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sojourn.errors import UsageError

T = TypeVar("T")
State = TypeVar("State")

# By class; after a move those of types made in C by "module.qualname".
registered: dict[type[Any] | str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {}


def register(type: type[T], capture: Callable[[T], State], restore: Callable[[State], T]) -> None:
    """From now on objects of this type, and of its subclasses that are not registered themselves, travel by these two.

    Args:
        type: a class; not one of the interpreter's own, which travel as they are.
        capture: called with the object when its process is frozen, copied or checked, perhaps several times for one
            freeze; changes nothing, and does not wait.
        restore: called with the state where the process thaws, before it runs. For a class written in Python everything
            of the program is there; for a type made in C (see docs/reducers.md) the state is plain values, and
            `restore` uses nothing of the program but itself.

    Raises:
        UsageError: not a class, or one of the interpreter's own; not two callables.
    """
    if not isinstance(type, _type):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"what is registered is a class, not {type!r}")
    if type.__module__ == "builtins":
        raise UsageError(f"{type.__qualname__} is the interpreter's own and travels as it is")
    for each in (capture, restore):
        if not callable(each):
            raise UsageError(f"capture and restore are called, and {each!r} cannot be")
    registered[type] = (capture, restore)


_type = type
