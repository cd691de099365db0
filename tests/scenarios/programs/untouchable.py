"""Objects that end the program when anybody asks them anything, in every place where an object can be: a move asks
nothing of them. (Proxies that make what they stand for when they are first touched are of this kind.)
"""

import builtins
import collections
import contextvars
import functools
import itertools
import json
import logging
import os
import sys
import threading
import types
import weakref


def refused(name):
    def touched(self, *arguments, **keywords):
        by = sys._getframe(1).f_code
        os.write(2, f"touched: {name}, by {by.co_filename} {by.co_qualname}\n".encode())
        os._exit(9)

    return touched


class Untouchable:
    __class__ = property(refused("__class__"))


METHODS = (
    "getattr setattr delattr eq bool len iter contains getitem call str repr format dir reduce reduce_ex getstate copy "
    "deepcopy lt add int float index bytes fspath enter get_ getnewargs_ex sizeof"
)
for word in METHODS.split():
    setattr(Untouchable, f"__{word}__", refused(word))
make = functools.partial(object.__new__, Untouchable)


def default(first=make(), *, second=make()):  # noqa: B008
    return first


def closure():
    held = make()
    return lambda: held


class Holder:
    attribute = make()
    __slots__ = ("__dict__", "slot")


class Mapping(dict):
    pass


def waiting():
    local = make()
    yield local
    yield


@functools.lru_cache(4)
def bounded(number):
    return make()


@functools.cache
def unbounded(number):
    return make()


default.attribute = builtins.untouchable = sys.untouchable = os.untouchable = json.JSONDecoder.untouchable = make()
logging.getLogger("untouchable").attribute = make()
holder, mapping, error, thread_local = Holder(), Mapping(a=make()), ValueError(make()), threading.local()
holder.slot = holder.attribute_of_its_own = mapping.attribute = error.attribute = thread_local.x = make()
sys.modules["own"] = module = types.ModuleType("own")
module.attribute = make()
variable = contextvars.ContextVar("variable")
variable.set(make())
pair = collections.namedtuple("pair", "one two")
kept = [
    *(holder, mapping, error, make(), (make(), [make()]), {"key": make()}, closure(), pair(make(), make())),
    *(functools.partial(default, make(), second=make()), collections.deque([make()]), contextvars.copy_context()),
    *(collections.OrderedDict(a=make()), collections.defaultdict(list, a=make()), types.SimpleNamespace(a=make())),
    *(types.MappingProxyType({"a": make()}), types.MethodType(default, make()), bounded(1), unbounded(1)),
    *(weakref.WeakValueDictionary(a=default), weakref.ref(default.attribute)),
]
iterators = [
    *(iter([make(), make()]), itertools.chain([make()], [make()]), zip([make()] * 3, [make()] * 3), waiting()),
    *(enumerate([make()] * 3), *itertools.tee([make()] * 3)),
]
for each in iterators:
    next(each)


def inside(depth, argument):
    local = make()
    try:
        raise KeyError(local)
    except KeyError as error:
        if depth:
            return inside(depth - 1, local) + 1
        for step in range(200):
            for _ in range(320_000):
                pass
            print(step, len(error.args), flush=True)
        return 1


print(inside(3, make()), len(kept), len(iterators))
