# pyright: basic
# (frames and hooks of the interpreter have few static types)
"""Calls that went through C: class calls, builtins that pass something on, contexts, memoized functions.

Theory. The callable and its arguments lie on the stack of the calling frame, and what the C function does with the
result of the Python function it calls is known for a few: those have a course (`course`). Up to 3.13 the words on the
stack may only be followed if the objects are certainly alive. The C function itself holds its arguments, but that does
not show; so an argument must be found elsewhere: in a frame, among the constants, or in the collector's books
(`Site.call_arguments`). If it is not, the call is a pin, and the question is asked again later.
"""

from __future__ import annotations

import _contextvars
from types import BuiltinFunctionType, FunctionType, MethodWrapperType
from typing import Any

from . import tasks
from .attributes import ACCESSES, through_builtin
from .layout import GONE, NULL
from .lookup import find, is_a, names_of, type_name
from .sites import PARTIAL, Continuation, Site, code_behind

# Builtins are found by address: asking whether a callable of the program is one of them might call its `__eq__`.
# Those that look at what a special method of their first argument gives, and the methods.
_CHECKED: dict[int, tuple[str, ...]] = {
    id(builtin): methods
    for builtin, methods in (
        (len, ("__len__",)),
        (bool, ("__bool__", "__len__")),
        (hash, ("__hash__",)),
        (repr, ("__repr__",)),
        (str, ("__str__", "__repr__")),
        (iter, ("__iter__",)),
        (reversed, ("__reversed__",)),
        (abs, ("__abs__",)),
        (int, ("__int__", "__index__", "__trunc__")),
        (float, ("__float__", "__index__")),
        (format, ("__format__",)),
    )
}
_ASKED = {id(isinstance): "__instancecheck__", id(issubclass): "__subclasscheck__"}
_run_in_context = _contextvars.Context.run
_call_type = type.__call__


def through_call(site: Site) -> Continuation:
    """The continuation of a call that has a C function between it and the inner frame."""
    function, receiver, inner_code = site.inner_view.function, site.inner_self, site.inner_code
    site.live.expect(function, *type.mro(type(receiver)))
    if receiver is not NULL:
        site.live.expect(receiver)
        if is_a(receiver, type):
            site.live.expect(*type.mro(receiver))
    callable, second, _, lowest = site.read_call()
    if callable is GONE or callable is NULL:
        raise site.pin("held by", callable)
    if is_a(callable, type) and code_behind(find(type(callable), "__call__")) is inner_code:
        return Continuation(lowest)  # a metaclass's `__call__`
    cls = _class_called(callable, second, site)
    if cls is not None:
        return Continuation(lowest, course=_construct(site, cls, callable))
    if inner_code.co_name != "__del__" and callable is receiver:
        return Continuation(lowest)  # a method object's call puts self into the slot below the arguments
    if callable is exec:
        return Continuation(lowest, after="none")
    if callable is eval or inner_code is code_behind(callable):
        return Continuation(lowest)
    return Continuation(lowest, course=_course(site, callable, second))


def _course(site: Site, callable: Any, second: Any) -> list[Any] | None:
    """What is left to be done by what is no class; None if it gives what the inner frame gives."""
    owner, inner_code, address = site.inner_self, site.inner_code, id(callable)
    if type_name(type(callable)) == "functools._lru_cache_wrapper":
        wrapped = callable.__wrapped__
        if type(wrapped) is FunctionType and code_behind(wrapped) is inner_code:
            return ["memoized", callable, *site.call_arguments()]
    elif (context := _context_entered(callable, second)) is not None:  # an empty one counts as false
        if code_behind(_entered_with(site, callable)) is inner_code:
            return ["in context", context]  # else what it runs is made in C, and has called the inner frame
    elif address in ACCESSES:
        return through_builtin(site, callable, site.call_arguments()[0])
    elif type(callable) is MethodWrapperType and id(vars(object).get(callable.__name__)) in ACCESSES:
        wrapper = vars(object)[callable.__name__]
        if callable == wrapper.__get__(callable.__self__):  # `super().__setattr__` and its kin
            return through_builtin(site, wrapper, (callable.__self__, *site.call_arguments()[0]))
    elif callable is next and inner_code is code_behind(find(type(owner), "__next__")):
        arguments, _ = site.call_arguments()
        if arguments[0] is owner:
            return ["next", arguments[1]] if len(arguments) > 1 else None
    elif inner_code.co_name == _ASKED.get(address):
        return ["truth"]
    elif inner_code.co_name in _CHECKED.get(address, ()):
        method, (arguments, keywords) = inner_code.co_name, site.call_arguments()
        asked = arguments and arguments[0] is owner and not keywords
        if asked and code_behind(find(type(owner), method)) is inner_code:
            return ["checked", callable, method, names_of(type(owner)), arguments[1:]]
    raise site.pin("held by", callable)


def _context_entered(callable: Any, second: Any) -> Any:
    if type_name(type(callable)) == PARTIAL:  # as `asyncio.to_thread` makes one
        callable = callable.func
    if callable is _run_in_context:
        return second if type(second) is _contextvars.Context else None
    if type(callable) is BuiltinFunctionType and callable.__name__ == "run":
        return callable.__self__ if type(callable.__self__) is _contextvars.Context else None
    return None


def _entered_with(site: Site, callable: Any) -> Any:
    """What `Context.run` is to call."""
    if type_name(type(callable)) == PARTIAL and callable.args:
        return callable.args[0]
    return next(iter(site.read_call()[2] or site.call_arguments()[0]), None)


def through_step(site: Site, callable: Any, second: Any, lowest: int) -> Continuation | None:
    """If the call runs a step of an asyncio task in its context, and the inner frame is the task's coroutine."""
    context = _context_entered(callable, second)
    if context is None:
        return None
    task = tasks.stepped_by(_entered_with(site, callable), site.inner_view.generator)
    return None if task is None else Continuation(lowest, drives=True, course=["task step", context, task])


# ---- classes ---------------------------------------------------------------------------------------------------------


def _class_called(callable: Any, second: Any, site: Site) -> Any:
    """The class that is being called: by itself, or by its metaclass with `super().__call__` or `type.__call__`."""
    if is_a(callable, type):
        if site.inner_code is code_behind(find(callable, "__new__")):
            return callable
        return callable if site.inner_code is code_behind(find(type(site.inner_self), "__init__")) else None
    if type(callable) is MethodWrapperType and is_a(callable.__self__, type):
        return callable.__self__ if callable == _call_type.__get__(callable.__self__) else None
    if callable is _call_type:
        cls = second if second is not NULL else site.call_arguments()[0][0]
        return cls if is_a(cls, type) else None
    return None


def _construct(site: Site, cls: Any, callable: Any) -> list[Any]:
    receiver = site.inner_self
    if is_a(receiver, cls) and site.inner_code is code_behind(find(type(receiver), "__init__")):
        return ["construct", cls, (), {}, [receiver]]
    if receiver is cls and site.inner_code is code_behind(find(cls, "__new__")):
        arguments, keywords = site.call_arguments()
        return ["construct", cls, arguments[callable is _call_type :], keywords, []]
    raise site.pin("held by", callable)
