"""What only newer versions have: template strings (3.14), `frozendict` and `sentinel` (3.15)."""

import sys

SOURCE_314 = '''
name = "world"
template = t"hello {name!r:>10}"
'''


class Hashed:
    def __init__(self, n):
        self.n = n

    def __hash__(self):
        return hash(self.n)

    def __eq__(self, other):
        return self.n == other.n


if sys.version_info >= (3, 15):
    MISSING = sentinel("MISSING")


def make():
    made = {}
    if sys.version_info >= (3, 14):
        exec(SOURCE_314, made)
        del made["__builtins__"]
    if sys.version_info >= (3, 15):
        key = Hashed(3)
        made["key"] = key
        made["frozen"] = frozendict({"a": 1, "b": [2]}, c=made)
        made["by class"] = frozendict({key: "three", (1, Hashed(4)): "four"})
        made["nested"] = {frozendict(x=1): 5}
        made["iterator"] = iter(made["frozen"].items())
        next(made["iterator"])
        made["view"] = made["frozen"].keys()
        made["hash"] = hash(frozendict(q=1))
        made["missing"] = MISSING
        made["own"] = sentinel("own")
    return made


def check(made):
    if sys.version_info >= (3, 14):
        (part,) = made["template"].interpolations
        assert made["template"].strings == ("hello ", "")
        assert (part.value, part.expression, part.conversion, part.format_spec) == ("world", "name", "r", ">10")
    if sys.version_info >= (3, 15):
        frozen = made["frozen"]
        assert type(frozen) is frozendict and list(frozen) == ["a", "b", "c"] and frozen["c"] is made
        assert made["by class"][made["key"]] == "three" and made["by class"][1, Hashed(4)] == "four"
        assert made["nested"][frozendict(x=1)] == 5 and list(made["iterator"]) == [("b", [2]), ("c", made)]
        assert list(made["view"]) == ["a", "b", "c"] and made["hash"] == hash(frozendict(q=1))
        assert made["missing"] is MISSING and repr(made["own"]) == "own"
