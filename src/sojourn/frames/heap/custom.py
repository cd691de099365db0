# pyright: basic
# (objects of any type)
"""Objects that travel as their users or their packages say: `sojourn.register`, and entry points (`entries`).

Theory. `capture` gives a state, `restore` an object; but where an object is met in the stream, little of the program is
there yet. Two ways, by what made the type:

* A class made in Python: the object is made bare, and has its place at once. When everything else is complete (`reach`)
  `restore` makes another one, whose attributes it takes over. So the state may be anything, even lead back to it.
* A type made in C cannot be made bare: `restore` runs where the object is met. Its state is plain values, written apart
  from everything else; and `restore` is a function or class of the library, or a function of the program that uses
  nothing but the library, the interpreter and plain values. It travels alone, with these.

Guarantees. Restoring happens in a process that has not run, before the commit: what fails refuses the move, and the
program goes on at the source. What `restore` has made is not finalized when its attributes have been taken.

Rejected: putting the object in the places of a stand-in, when it is there (frames, tuples and C objects hold it, too).
"""

from __future__ import annotations

import _pickle
import dis
import sys
from types import BuiltinFunctionType, CellType, CodeType, FunctionType
from typing import Any

from sojourn.errors import Refused, SojournError

from . import entries
from .dumper import Dumper, Refuse
from .instances import Plan
from .registry import constructor, is_module, name_of
from .words import python_made, solid_base

_FACE = "sojourn.reducers"
_mro = type.__dict__["__mro__"].__get__
_ATOMS = frozenset((type(None), bool, int, float, complex, str, bytes, bytearray, type(...), range))
_CONTAINERS = frozenset((list, tuple, set, frozenset))
_WHOLE = frozenset((  # made in C, and whole as soon as they are there
    "datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta", "datetime.timezone", "decimal.Decimal",
    "array.array", "numpy.ndarray",
))  # fmt: skip
_PLAIN = "give numbers, strings, bytes, and lists, tuples, dicts and sets of these"
_ALONE = "import what it needs inside of it"


class Way:
    """How the objects of one type travel. `entry` is the name of the entry point that says so, if one does."""

    def __init__(self, capture: Any, restore: Any, entry: str | None) -> None:
        self.capture = capture
        self.restore = restore
        self.entry = entry

    def __call__(self, obj: Any, dumper: Dumper) -> Any:
        """The reducer."""
        try:
            state = self.capture(obj)
        except Exception as failure:
            why = f"its capture function failed: {type(failure).__name__}: {failure}"
            raise Refuse(obj, why, "see docs/reducers.md, or drop the object before a move") from None
        cls = type(obj)
        if python_made(cls) and solid_base(cls) is object:
            dumper.later(put_off, obj, (self.entry or self.restore, state))
            return object.__new__, (cls,)
        culprit = _not_plain(state)
        if culprit is not None:
            why = f"its capture function gives a {name_of(type(culprit))}, which is not there yet when it is restored"
            raise Refuse(obj, why, _PLAIN)
        packed = _pickle.dumps(state, 5)
        if self.entry is not None:
            return restored_by_package, (self.entry, packed, name_of(cls))
        return restored, (*_alone(self.restore, obj, dumper), packed, name_of(cls))


def way_of(cls: type, dumper: Dumper) -> Way | None:
    """What was registered for a class or the nearest of its bases, or what a package says of it."""
    registered = getattr(sys.modules.get(_FACE), "registered", None)
    if dumper.entries is None:
        dumper.entries = entries.named()
    if (not registered and not dumper.entries) or issubclass(cls, type):
        return None
    for base in _mro(cls):
        name = name_of(base)
        if registered and (way := registered.get(base) or registered.get(name)):
            capture, restore = way
            return Way(capture, restore, None)
        if name in dumper.entries:
            try:
                found = entries.load(name)
            except Refused as why:
                raise Refuse(cls, str(why)) from None
            return Way(found.capture, found.restore, name)
    return None


Dumper.way_of = staticmethod(way_of)


def _not_plain(value: Any) -> Any:
    """What is not plain in it; None if all is."""
    waiting, seen = [value], set()
    while waiting:
        each = waiting.pop()
        kind = type(each)
        if kind in _ATOMS or id(each) in seen:
            continue
        seen.add(id(each))
        if kind in _CONTAINERS:
            waiting += each
        elif kind is dict:
            waiting += [*each.keys(), *each.values()]
        elif name_of(kind) not in _WHOLE or getattr(getattr(each, "dtype", None), "hasobject", False):
            return each
    return None


# ---- a function that travels alone -----------------------------------------------------------------------------------


def _alone(function: Any, obj: Any, dumper: Dumper) -> tuple[Any, dict[str, Any] | None, Any]:
    """The function itself if the library has it; else its code, what it uses, and its defaults."""
    library = dumper.library
    if library.named(function) or issubclass(type(function), BuiltinFunctionType):
        return function, None, None
    if type(function) is not FunctionType:
        raise Refuse(obj, f"its restore function is a {name_of(type(function))}", "make it a function")
    used: dict[str, Any] = {"__name__": function.__name__}
    for name in sorted(_globals_of(function.__code__)):
        if name in function.__globals__:
            used[name] = function.__globals__[name]
    contents = [_content(cell) for cell in function.__closure__ or ()]
    free = dict(zip(function.__code__.co_freevars, contents, strict=True))
    defaults = (function.__defaults__ or (), function.__kwdefaults__ or {})
    for name, value in (*used.items(), *free.items(), ("its defaults", defaults)):
        known = is_module(value) and library.name_of_module(value) in library.library
        if not known and not library.named(value) and _not_plain(value) is not None:
            why = f"its restore function uses {name!r} of the program, which is not there yet when it runs"
            raise Refuse(obj, why, _ALONE)
    return function.__code__, used, (list(free.values()), *defaults)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _globals_of(code: CodeType) -> set[str]:
    found = {each.argval for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if type(constant) is CodeType:
            found |= _globals_of(constant)
    return found


@constructor
def restored(function: Any, used: dict[str, Any] | None, more: Any, packed: bytes, kind: str) -> Any:
    if used is not None:
        free, defaults, keywords = more
        used["__builtins__"] = sys.modules["builtins"]
        cells = tuple(map(CellType, free))
        function = FunctionType(function, used, used["__name__"], defaults, cells)
        function.__kwdefaults__ = keywords
    return _called(function, _pickle.loads(packed), kind)


@constructor
def restored_by_package(entry: str, packed: bytes, kind: str) -> Any:
    return _called(entries.load(entry).restore, _pickle.loads(packed), kind)


def _called(function: Any, state: Any, kind: str) -> Any:
    try:
        made = function(state)
    except SojournError:
        raise
    except Exception as failure:
        raise Refused(
            f"a {kind} of the program could not be restored here: {type(failure).__name__}: {failure}",
            advice="its restore function must work on the node that the process moves to",
        ) from None
    if name_of(type(made)) != kind:
        raise Refused(f"a {kind} of the program was restored as a {name_of(type(made))}")
    return made


# ---- objects of classes made in Python -------------------------------------------------------------------------------

_waiting: list[tuple[Any, Any]] = []


@constructor
def put_off(obj: Any, state: tuple[Any, Any]) -> None:
    _waiting.append((obj, state))


def forget() -> None:
    """Of an earlier load, which failed."""
    _waiting.clear()


def reach() -> None:
    """Restores what waits, in the order in which it was met."""
    waiting, _waiting[:] = _waiting[:], []
    for obj, (restore, state) in waiting:
        if type(restore) is str:
            restore = entries.load(restore).restore
        _take_over(obj, _called(restore, state, name_of(type(obj))))


def _take_over(obj: Any, made: Any) -> None:
    cls = type(obj)
    if type(made) is not cls:
        raise Refused(f"a {name_of(cls)} of the program was restored as one of another class of that name")
    plan = Plan(cls)
    if plan.attributes is not None:
        plan.attributes(obj).update(plan.attributes(made))
    for _, slot in plan.slots:
        try:
            slot.__set__(obj, slot.__get__(made))
        except AttributeError:
            continue
    emptied: dict[str, Any] = {"__slots__": (), "__del__": _nothing, "__init_subclass__": classmethod(_nothing)}
    object.__setattr__(made, "__class__", type.__new__(type(cls), cls.__name__, (cls,), emptied))


def _nothing(self: object, **_: object) -> None:
    """In the place of a finalizer: what it would close is in use."""

