# pyright: basic
# (objects of any type, and modules without stubs)
"""What the interpreter and the kernel keep for a program outside of its modules, as a table of items.

An item has a name, reads its value (`capture`, at a safe point of the source, before anything is written) and sets it
(`restore`, at the target, when every object is complete). `start` comes later, right before the program goes on: clocks
that must not run while it is held.

Guarantee: capturing changes nothing that a program could see. Restoring comes to an end for every item or raises
`errors.Refused` with all reasons at once.

Not here: descriptors, streams and the signal mask (`resources` and the host), trace functions (`safepoint`), threads
themselves (`threads`).
"""

from __future__ import annotations

import _contextvars
import _locale
import _signal  # pyright: ignore[reportMissingImports]
import _thread
import _warnings
import gc
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from sojourn.errors import Refused, Unmovable
from sojourn.frames import loops
from sojourn.frames.heap.iterators import filters_mutated, quietly
from sojourn.frames.heap.registry import is_module, name_of
from sojourn.frames.heap.variables import set_variables
from sojourn.frames.heap.words import python_made
from sojourn.frames.threads import books, signals

from . import exits

_OURS = frozenset((_signal.SIGURG, _signal.SIGKILL, _signal.SIGSTOP))
_CATEGORIES = ("LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY", "LC_MESSAGES")
_TIMERS = (_signal.ITIMER_REAL, _signal.ITIMER_VIRTUAL, _signal.ITIMER_PROF)
_STREAMS = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
_STEPS = 100_000  # of the version of the warnings' filters: milliseconds
_DECIMAL = "decimal_context"
_FACE = "sojourn.reducers"  # as the program has imported it


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of state. `capture` may give None for "nothing to restore"."""

    name: str
    capture: Callable[[], Any]
    restore: Callable[[Any], None]
    start: bool = False  # restored right before the program goes on


def _modules() -> Any:
    """Names in order; beside them what stands there that is no module of the library's own name."""
    return list(sys.modules), {
        name: each
        for name, each in sys.modules.items()
        if not issubclass(type(each), ModuleType) and each is not None
    }


def _restore_modules(state: Any) -> None:
    names, others = state
    sys.modules.update(others)
    for name in names:
        if name in sys.modules:
            sys.modules[name] = sys.modules.pop(name)


def _environment() -> Any:
    posix = sys.modules.get("os", os)
    return dict(posix.environ._data)


def _restore_environment(wanted: Any) -> None:
    data = sys.modules.get("os", os).environ._data
    for name in [name for name in data if name not in wanted]:
        del data[name]
        os.unsetenv(name)
    for name, value in wanted.items():
        if data.get(name) != value:
            os.putenv(name, value)
    data.clear()
    data.update(wanted)


def _umask() -> int:
    with open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"Umask:"):
                return int(line.split()[1], 8)
    mask = os.umask(0o77)
    os.umask(mask)
    return mask


def _restore_folder(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError as failure:
        raise Refused(f"the working directory {folder} cannot be entered: {failure.strerror}") from None


def _handlers() -> Any:
    found = {int(number): _signal.getsignal(number) for number in _signal.valid_signals() if number not in _OURS}
    return {number: handler for number, handler in (found | signals.handlers).items() if handler is not None}


def _restore_handlers(handlers: Any) -> None:
    for number, handler in handlers.items():
        if _signal.getsignal(number) is not handler:
            _signal.signal(number, handler)


def _timers() -> Any:
    # One that has just rung and whose signal waits to be delivered shows no time left, only its interval.
    found = [(which, *_signal.getitimer(which)) for which in _TIMERS]
    return [each for each in found if each[1] or each[2]] or None


def _restore_timers(timers: Any) -> None:
    for which, left, interval in timers:
        _signal.setitimer(which, max(left, 1e-6), interval)


def _variables() -> Any:
    context = _contextvars.copy_context()
    return [
        part for variable, value in context.items() if variable.name != _DECIMAL for part in (variable, value)
    ]


def _restore_variables(flat: Any) -> None:
    set_variables(None, dict(zip(flat[::2], flat[1::2], strict=True)))


def _decimal() -> Any:
    module = sys.modules.get("_decimal")
    if module is None or not any(variable.name == _DECIMAL for variable in _contextvars.copy_context()):
        return None
    return module.getcontext()


def _restore_decimal(context: Any) -> None:
    __import__("_decimal").setcontext(context)


def _collector() -> Any:
    return gc.isenabled(), gc.get_threshold(), gc.get_debug()


def _restore_collector(state: Any) -> None:
    enabled, threshold, debug = state
    (gc.enable if enabled else gc.disable)()
    gc.set_threshold(*threshold)
    gc.set_debug(debug)


def _locales() -> Any:
    return {name: _locale.setlocale(getattr(_locale, name), None) for name in _CATEGORIES}


def _restore_locales(wanted: Any) -> None:
    for name, value in wanted.items():
        if _locale.setlocale(getattr(_locale, name), None) != value:
            try:
                _locale.setlocale(getattr(_locale, name), value)
            except _locale.Error:  # pyright: ignore[reportAttributeAccessIssue]
                raise Refused(f"the locale {value!r} ({name}) is not installed here") from None


def _exits() -> Any:
    found = exits.callbacks()
    if found is None and exits.atexit._ncallbacks() > exits.PRISTINE:
        raise Unmovable(
            "functions registered with atexit cannot be read in this interpreter",
            advice="unregister them, or register them again after the move",
        )
    return found


def _restore_exits(wanted: Any) -> None:
    exits.replace(wanted)


def _filters_version() -> int:
    """What a registry of shown warnings must name to be believed; C keeps it, and tells it to registries only."""
    registry: dict[str, int] = {}
    quietly(_warnings.warn_explicit, "", Warning, "", 0, "", registry)
    return registry["version"]


def _restore_filters_version(wanted: int) -> None:
    """Make it what it was, so that registries agree, or disagree, as before; if it is too far off, make them agree."""
    for _ in range(min(wanted - _filters_version(), _STEPS)):
        filters_mutated()
    now = _filters_version()
    if now == wanted:
        return
    for module in [each for each in sys.modules.values() if is_module(each)]:
        registry = vars(module).get("__warningregistry__")
        if type(registry) is dict and "version" in registry:
            registry["version"] = now if registry["version"] == wanted else -1


def _attribute(name: str) -> Item:
    return Item(f"sys.{name}", lambda: [getattr(sys, name)], lambda held: setattr(sys, name, held[0]))


def _setting(name: str, reader: str, writer: str) -> Item:
    return Item(name, getattr(sys, reader), getattr(sys, writer))


def _reducers() -> Any:
    """What was registered with `sojourn.register`: our modules are known by name, and travel without their contents."""
    table = getattr(sys.modules.get(_FACE), "registered", {})
    # A type made in C goes by its name: many are in no module.
    return [(cls if type(cls) is str or python_made(cls) else name_of(cls), *way) for cls, way in table.items()] or None


def _restore_reducers(wanted: Any) -> None:
    __import__(_FACE)
    sys.modules[_FACE].__dict__["registered"].update({key: (capture, restore) for key, capture, restore in wanted})


ITEMS: tuple[Item, ...] = (
    Item("sys.modules", _modules, _restore_modules),
    _attribute("argv"),
    _attribute("path"),
    _attribute("dont_write_bytecode"),
    *(_attribute(name) for name in _STREAMS),
    _setting("recursion limit", "getrecursionlimit", "setrecursionlimit"),
    _setting("switch interval", "getswitchinterval", "setswitchinterval"),
    _setting("digits of integers", "get_int_max_str_digits", "set_int_max_str_digits"),
    Item("environment", _environment, _restore_environment),
    Item("umask", _umask, lambda mask: void(os.umask(mask))),
    Item("working directory", os.getcwd, _restore_folder),
    Item("locale", _locales, _restore_locales),
    Item("warnings filters", _filters_version, _restore_filters_version),
    Item("decimal context", _decimal, _restore_decimal),
    Item("context variables", _variables, _restore_variables),
    Item("atexit", _exits, _restore_exits),
    Item("reducers", _reducers, _restore_reducers),
    Item("threads", books.capture, books.restore),
    Item("stack size of threads", _thread.stack_size, lambda size: void(_thread.stack_size(size))),
    Item("collector", _collector, _restore_collector),
    *(Item(*each) for each in loops.STATE),
    Item("signal handlers", _handlers, _restore_handlers),
    Item("interval timers", _timers, _restore_timers, start=True),
)


def void(_: object) -> None:
    """For calls whose result is of no interest."""


def capture() -> dict[str, Any]:
    """Every item's value, by name."""
    found: dict[str, Any] = {}
    for item in ITEMS:
        value = item.capture()
        if value is not None:
            found[item.name] = value
    return found


def restore(values: dict[str, Any], *, start: bool = False) -> None:
    """Set what was captured; with `start`, that part which belongs right before the program goes on."""
    reasons: list[str] = []
    for item in ITEMS:
        if item.start is start and item.name in values:
            try:
                item.restore(values[item.name])
            except Refused as refused:
                reasons.append(str(refused))
            except Exception as failure:
                reasons.append(f"{item.name}: {type(failure).__name__}: {failure}")
    if reasons:
        raise Refused("the process's state cannot be set up here", reasons=reasons)
