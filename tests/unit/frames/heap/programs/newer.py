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


SOURCE_315 = '''
lazy import colorsys
lazy import xml.dom.pulldom
lazy import xml.dom as dom
lazy from sndhdr_or_not import never_used
lazy from decimal import Context as Made, getcontext
def modules():
    return colorsys.__name__, xml.dom.pulldom.__name__, dom.__name__, Made.__name__, getcontext().prec
'''

if sys.version_info >= (3, 15):
    MISSING = sentinel("MISSING")

    class Row(frozendict):
        def __init__(self, *args, **named):
            self.note = args or named

    class Bare(frozendict):
        __slots__ = ()

    lazily = {}
    exec(SOURCE_315, lazily)
    assert "colorsys" not in sys.modules


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
        made["row"] = Row({(1, 2): made, key: "key"})
        made["row"].note = made["row"]
        made["bare"] = Bare({Row(a=1): 2, Bare(b=2): Bare()})
        made["lazily"] = lazily
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
        row, bare = made["row"], made["bare"]
        assert type(row) is Row and list(row) == [(1, 2), made["key"]] and row[1, 2] is made and row.note is row
        assert type(bare) is Bare and [type(each) for each in bare] == [Row, Bare]
        assert bare[Row(a=1)] == 2 and type(bare[Bare(b=2)]) is Bare
        lazily = made["lazily"]
        names = ("colorsys", "xml", "dom", "never_used", "Made")
        assert {type(dict.get(lazily, name)).__name__ for name in names} == {"lazy_import"}
        assert "colorsys" not in sys.modules and "xml.dom" not in sys.modules
        assert lazily["modules"]() == ("colorsys", "xml.dom.pulldom", "xml.dom", "Context", 28)
        try:
            eval("never_used", lazily)
        except ImportError as error:
            assert "sndhdr_or_not" in str(error)
        else:
            raise AssertionError
