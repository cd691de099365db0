# pyright: basic
# (objects of any type, and modules without stubs)
"""Context variables, contexts and tokens.

The variables of the outermost context are set after everything else (`world.state`), those of another one when it is
filled. A token must be made in its context while the variable looks as it did then, and whoever comes last puts right
what that has changed.
"""

from __future__ import annotations

from gc import get_referents
from typing import Any

from sojourn.frames import contexts
from sojourn.frames.threads import crew

from .dumper import Dumper
from .registry import constructor, reduces


@reduces("_contextvars.ContextVar")
def _reduce_variable(variable: Any, dumper: Dumper) -> Any:
    if variable.name == "decimal_context":  # the one of the decimal module, which shows it nowhere
        return decimal_variable, ()
    held = [each for each in get_referents(variable) if each is not variable.name]
    return make_variable, (type(variable), variable.name, held[:1])


@constructor
def decimal_variable() -> Any:
    __import__("_decimal").getcontext()
    return next(each for each in __import__("_contextvars").copy_context() if each.name == "decimal_context")


@constructor
def make_variable(cls: Any, name: str, default: list[Any]) -> Any:
    return cls(name, default=default[0]) if default else cls(name)


@reduces("_contextvars.Context")
def _reduce_context(context: Any, dumper: Dumper) -> Any:
    dumper.later(fill_context, context, [part for item in context.items() for part in item], 1)
    return make_context, (type(context),)


@constructor
def make_context(cls: Any) -> Any:
    return cls()


@constructor
def fill_context(context: Any, items: list[Any]) -> None:
    parts = iter(items)
    set_variables(context, dict(zip(parts, parts, strict=True)))
    _filled[id(context)] = context


@reduces("_contextvars.Token")
def _reduce_token(token: Any, dumper: Dumper) -> Any:
    missing = token.old_value is type(token).MISSING
    used = " used " in repr(token)
    context = contexts.of_token(token)
    return make_token, (
        token.var, missing, None if missing else token.old_value, used, _outermost(context, dumper.stack)
    )  # fmt: skip


def _outermost(context: Any, stack: Any) -> Any:
    """What stands for a context outside of all others: None, or the identity of the thread that runs in it."""
    if context is (contexts.current() if stack is None else stack.context):
        return None
    return next((each.ident for each in stack.threads if each.context is context), context) if stack else context


@constructor
def make_token(variable: Any, missing: bool, old: Any, used: bool, context: Any) -> Any:
    """A token of this context, or of an outermost one, whose values are set after everything else."""
    before = _in(context, variable.get, _NOTHING)
    if missing:
        _unset(context, variable)
    else:
        _set(context, variable, old)
    token = _set(context, variable, None)
    if used:
        _first.pop((_key(context), id(variable)), None)
        _in(context, variable.reset, token)
    if before is not _NOTHING:
        _set(context, variable, before)
    elif _key(context) in _filled:
        _unset(context, variable)
    return token


def set_variables(context: Any, wanted: dict[Any, Any]) -> None:
    """Give a context these values: None is the caller's, a number that of a thread that is being made again. What
    tokens that were made again have set beside them is unset.
    """
    for (owner, _), token in list(_first.items()):
        if owner == _key(context) and token.var not in wanted:
            _unset(context, token.var)
    for variable, value in wanted.items():
        _set(context, variable, value)


def _set(context: Any, variable: Any, value: Any) -> Any:
    token = _in(context, variable.set, value)
    if token.old_value is type(token).MISSING:
        _first[_key(context), id(variable)] = token
    return token


def _unset(context: Any, variable: Any) -> None:
    """Only a token that was made when there was no value takes the value away again; it is used up by that."""
    token = _first.pop((_key(context), id(variable)), None)
    if token is not None:
        _in(context, variable.reset, token)


def _in(context: Any, function: Any, *arguments: Any) -> Any:
    if type(context) is int:
        return crew.do_in(context, function, *arguments)
    return function(*arguments) if context is None else context.run(function, *arguments)


def _key(context: Any) -> int:
    return context if type(context) is int else id(context)


_NOTHING = object()
_first: dict[tuple[int, int], Any] = {}  # (`_key` of a context, id of a variable) -> the token that unsets it
_filled: dict[int, Any] = {}  # contexts that have their values
