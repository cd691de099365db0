# pyright: basic
# (callables and results of any type)
"""What is left of an instruction, or of a C function, when the Python function that it has called comes back.

Theory. A C frame that stands between two frames of the program cannot be carried. But most C functions that call back
do little with what they get: a class call hands the new object to `__init__`, an operator asks its other operand, `len`
looks whether the length is a length. What is left to be done is a *course*: a few fields of plain data which say what
is to be called next, or what the instruction gives.

The one-time code of the outer frame carries a course out itself (`epilogues`): it calls the inner frame's resumer,
tells the course what that gave or raised, makes the calls that the course asks for, and takes the value. So no frame of
ours stands between the program's frames; tracebacks and `sys._getframe` show what they would have shown. In each of
these calls the stack can be frozen again: what a course is at that moment is its `state`.

Guarantee: a course runs no code of the program. It only names what the outer frame is to call. What the program might
refuse (a length below zero) is found out by calling the C function itself once more, with a stand-in that only gives
the result; so the errors are the interpreter's own.

Rejected: frames of ours in the place of the C frames (they show in tracebacks, and `warnings.warn(stacklevel=2)` would
count them); executing the instruction again (the program's function would run twice).
"""

from __future__ import annotations

from _operator import methodcaller, not_
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from types import CodeType, FunctionType, MethodDescriptorType, WrapperDescriptorType
from typing import Any, ClassVar

from . import tasks
from .analyze import VERSION
from .caches import counts, set_counts
from .lookup import find, is_a

Call = Callable[[], Any]


@dataclass
class Step:
    """One kind of course. `state` is its fields; the call under way is the resumer's, or `pending()`."""

    name: ClassVar[str] = ""
    value = None  # what the instruction gives, once `given` has said None
    error = None  # or the exception that it raises

    def enter(self, resumer: Call) -> Call:
        """What to call so that the inner frame goes on."""
        return resumer

    def pending(self) -> Call:
        """The next call, which has not been made yet."""
        raise NotImplementedError

    def given(self, result: Any) -> Call | None:
        """The call has given this: the next call, or None if the course is over."""
        self.value = result
        return None

    def failed(self, error: BaseException) -> Call | None:
        """The call has raised this: what to call instead, or None if the error goes on."""
        return None


def giving(value: Any) -> Call:
    """A callable, made in C, that gives `value` once."""
    return [value].pop


@dataclass
class Ask(Step):
    """An operator: the operands are asked in turn until one does not give NotImplemented.

    A stage is (method, receiver, argument, whether the answer is inverted); the first is being asked.
    """

    name = "ask"
    stages: list[tuple[Any, Any, Any, bool]]
    otherwise: Any  # the value if all decline; as a string the text of a TypeError
    over: bool = False  # the answer is being inverted

    def pending(self) -> Call:
        method, receiver, other, _ = self.stages[0]
        return partial(method, receiver, other)

    def given(self, result: Any) -> Call | None:
        if self.over:
            self.value = result
            return None
        if result is not NotImplemented:
            self.value = result
            if not self.stages[0][3]:
                return None
            self.over = True
            return partial(not_, result)
        del self.stages[0]
        if self.stages:
            return self.pending()
        if type(self.otherwise) is str:
            self.error = TypeError(self.otherwise)
        self.value = self.otherwise
        return None


@dataclass
class Construct(Step):
    """A class call: `__new__`, and if it gives an instance of the class, that one's `__init__`."""

    name = "construct"
    cls: type
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict[str, Any])
    made: list[Any] = field(default_factory=list[Any])  # what `__new__` gave: `__init__` is under way

    def pending(self) -> Call:
        made = self.made[0]
        initialize = find(type(made), "__init__")
        if issubclass(type(initialize), (FunctionType, WrapperDescriptorType, MethodDescriptorType)):
            return partial(initialize, made, *self.arguments, **self.keywords)
        return partial(methodcaller("__init__", *self.arguments, **self.keywords), made)

    def given(self, result: Any) -> Call | None:
        if not self.made:
            if not is_a(result, self.cls):
                self.value = result
                return None
            self.made.append(result)
            return self.pending()
        self.value = self.made[0]
        if result is not None:
            self.error = TypeError(f"__init__() should return None, not '{type(result).__name__:.200}'")
        return None


@dataclass
class Access(Step):
    """An attribute: AttributeError asks `__getattr__`, and then gives the default if there is one."""

    name = "access"
    owner: Any
    attribute: str
    ask: Any  # the class's `__getattr__` while it has not been asked
    default: list[Any]
    tells: bool = False  # `hasattr`: gives whether there is one
    asking: bool = False

    def pending(self) -> Call:
        return partial(self.ask, self.owner, self.attribute)

    def given(self, result: Any) -> Call | None:
        self.value = True if self.tells else result
        return None

    def failed(self, error: BaseException) -> Call | None:
        if not isinstance(error, AttributeError):
            return None
        if self.ask is not None and not self.asking:
            self.asking = True
            return self.pending()
        if self.default:
            self.tells = False
            return giving(self.default[0])
        return None


@dataclass
class Next(Step):
    """`next(iterator, default)`."""

    name = "next"
    default: Any

    def failed(self, error: BaseException) -> Call | None:
        return giving(self.default) if isinstance(error, StopIteration) else None


@dataclass
class Checked(Step):
    """A C function that looks at what a special method gave: it is called again, with a stand-in."""

    name = "checked"
    function: Any
    method: str
    kind: list[str]  # module and qualified name of the receiver's class, for error messages
    arguments: tuple[Any, ...] = ()
    result: list[Any] = field(default_factory=list[Any])  # what the method gave: the function is being called

    def pending(self) -> Call:
        result = self.result[0]
        module, qualname = self.kind
        names = {"__module__": module, "__qualname__": qualname, self.method: lambda *_: result}
        stand_in = type(qualname.rpartition(".")[2], (), names)
        return partial(self.function, stand_in(), *self.arguments)

    def given(self, result: Any) -> Call | None:
        if self.result:
            self.value = result
            return None
        self.result.append(result)
        return self.pending()


@dataclass
class Truth(Step):
    """What a function gave counts as true or false."""

    name = "truth"
    over: bool = False

    def given(self, result: Any) -> Call | None:
        if self.over:
            self.value = result
            return None
        self.over = True
        return partial(bool, result)


@dataclass
class InContext(Step):
    """`Context.run`: the inner frame goes on inside the context."""

    name = "in context"
    context: Any

    def enter(self, resumer: Call) -> Call:
        return partial(self.context.run, resumer)


@dataclass
class Thrown(Step):
    """`throw` or `close` of a generator or coroutine that has got the exception already, and runs."""

    name = "thrown"
    generator: Any
    closes: bool

    def pending(self) -> Call:
        return partial(self.generator.send, None)

    def given(self, result: Any) -> Call | None:
        self.value = result
        if self.closes:
            self.error = RuntimeError(f"{type(self.generator).__name__} ignored GeneratorExit")
        return None

    def failed(self, error: BaseException) -> Call | None:
        if not self.closes or not isinstance(error, (StopIteration, GeneratorExit)):
            return None
        self.closes = False
        return giving(error.value if VERSION >= (3, 13) and isinstance(error, StopIteration) else None)


@dataclass
class Stepping(Step):
    """A step of an asyncio task: C has entered the task in its context and sent into its coroutine.

    The step is made again. The coroutine was rebuilt as one that runs: it drops what is sent into it, and goes on; and
    C does with what comes of it what it would have done.
    """

    name = "task step"
    context: Any
    task: Any

    @property
    def generator(self) -> Any:
        """What the step drives."""
        return tasks.coroutine_of(self.task)

    def pending(self) -> Call:
        return partial(self.context.run, tasks.again(self.task))


@dataclass
class Memoized(Step):
    """A call of what `functools.lru_cache` made: the result is kept."""

    name = "memoized"
    wrapper: Any
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    result: list[Any] = field(default_factory=list[Any])

    def pending(self) -> Call:
        return partial(_keep, self.wrapper, self.arguments, self.keywords, self.result[0])

    def given(self, result: Any) -> Call | None:
        if self.result:
            self.value = result
            return None
        self.result.append(result)
        return self.pending()


KINDS: dict[str, type[Any]] = {
    kind.name: kind for kind in (Ask, Construct, Access, Next, Checked, Truth, InContext, Thrown, Stepping, Memoized)
}


def _keep(wrapper: Any, arguments: tuple[Any, ...], keywords: dict[str, Any], result: Any) -> Any:
    """Call the wrapper once more, with a function behind it that only gives the result. The miss has been counted."""
    function = wrapper.__wrapped__
    hits, misses = counts(wrapper)
    set_counts(wrapper, hits, misses - 1)
    code = function.__code__
    function.__code__ = giving_code([result].pop, code)
    try:
        return wrapper(*arguments, **keywords)
    finally:
        function.__code__ = code


def giving_code(give: Call, code: CodeType) -> CodeType:
    """Code that can stand in the place of `code` and gives what `give()` gives."""
    template = _template.__code__
    constants = tuple(give if constant == "give" else constant for constant in template.co_consts)
    return template.replace(co_consts=constants, co_freevars=code.co_freevars)


def _template(*_: Any, **__: Any) -> Any:
    return "give".__call__()  # type: ignore[attr-defined]


class Course:
    """The course of one frame that is being resumed: what its one-time code calls, and what a freeze asks."""

    __slots__ = ("_values", "calling", "resumer", "step")

    def __init__(self, values: list[Any]) -> None:
        self._values = values  # the last one to be taken is [name of the kind, *its fields]
        self.step: Step | None = None  # while it is under way
        self.resumer: Call | None = None  # while the inner frame's call is under way
        self.calling: Call | None = None  # while another is

    def begin(self, resumer: Call | None) -> Call:
        """The first call: the one of `resumer`, or, if there is none, the one that was to come next."""
        name, *state = self._values.pop()
        step = self.step = KINDS[name](*state)
        self.resumer = resumer
        if resumer is not None:
            return step.enter(resumer)
        first = self.calling = step.pending()
        return first

    def given(self, result: Any) -> Call | None:
        assert self.step is not None
        self.resumer = None
        self.calling = self.step.given(result)
        return self.calling

    def failed(self, error: BaseException) -> Call | None:
        assert self.step is not None
        self.resumer = None
        self.calling = self.step.failed(error)
        return self.calling

    def end(self) -> BaseException | None:
        """What the instruction raises, if it does not give a value."""
        assert self.step is not None
        error = self.step.error
        if error is not None:
            self.step = None
        return error

    def value(self) -> Any:
        assert self.step is not None
        value, self.step = self.step.value, None
        return value

    def state(self) -> list[Any] | None:
        """What `begin` takes to go on from here."""
        if self.step is None:
            return None
        values = [getattr(self.step, each.name) for each in fields(self.step)]
        return [self.step.name, *(list(v) if type(v) is list else v for v in values)]
