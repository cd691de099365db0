"""Modules and interpreter state over a move: one scenario a test, each in two or more processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from frozen_program import refused, survive


def test_patched_functions_and_classes_of_the_library(tmp_path: Path) -> None:
    survive(
        """
        import json, collections, textwrap
        plain = json.dumps
        def patched(*a, **k): return "P" + plain(*a, **k)
        json.dumps = patched
        class Mine(json.JSONEncoder): pass
        json.encoder.JSONEncoder.extra = [1]
        json.JSONEncoder = Mine
        del collections.ChainMap
        textwrap.dedent.__kwdefaults__ = None
        textwrap.dedent.note = "seen"
        json.decoder.NaN = 5.0
        for _ in range(3):
            freeze()
            assert json.dumps is patched and json.dumps([1]) == "P[1]" and plain([1]) == "[1]"
            assert json.JSONEncoder is Mine and Mine.__base__ is json.encoder.JSONEncoder and Mine.extra == [1]
            assert not hasattr(collections, "ChainMap") and textwrap.dedent.note == "seen" and json.decoder.NaN == 5.0
            assert plain.__globals__ is json.__dict__ and isinstance(json._default_encoder, json.encoder.JSONEncoder)
        """,
        tmp_path, moves=3,
    )  # fmt: skip


def test_registries(tmp_path: Path) -> None:
    survive(
        """
        import collections.abc, functools, copyreg, numbers, pprint, codecs
        class Mine: pass
        collections.abc.Sequence.register(Mine)
        numbers.Number.register(Mine)
        @functools.singledispatch
        def kind(x): return "other"
        @kind.register
        def _(x: int): return "int"
        @kind.register(Mine)
        def _(x): return "mine"
        copyreg.pickle(Mine, lambda m: (Mine, ()))
        for _ in range(2):
            freeze()
            assert isinstance(Mine(), collections.abc.Sequence) and isinstance(Mine(), numbers.Number)
            assert not isinstance(Mine(), collections.abc.Mapping) and isinstance([], collections.abc.Sequence)
            assert (kind(1), kind(""), kind(Mine())) == ("int", "other", "mine")
            assert Mine in copyreg.dispatch_table
        """,
        tmp_path, moves=2,
    )  # fmt: skip


def test_random_and_decimal(tmp_path: Path) -> None:
    survive(
        """
        import random, decimal
        random.seed(42); first = [random.random() for _ in range(6)]
        random.seed(42); [random.random() for _ in range(2)]; random.gauss(0, 1)
        state = random.getstate()
        decimal.getcontext().prec = 7
        decimal.getcontext().traps[decimal.Inexact] = False
        freeze()
        assert random.getstate() == state and random._inst.getstate() == state
        assert decimal.getcontext().prec == 7 and str(decimal.Decimal(1) / 3) == "0.3333333"
        """,
        tmp_path,
    )


def test_numpy_generators(tmp_path: Path) -> None:
    survive(
        """
        import numpy as np
        rng = np.random.default_rng(3); np.random.seed(5)
        wanted = np.random.random(3), rng.random(3)
        np.random.seed(5); np.random.random(1); rng = np.random.default_rng(3); rng.random(1)
        np.set_printoptions(precision=3)
        freeze()
        assert (np.random.random(2) == wanted[0][1:]).all() and (rng.random(2) == wanted[1][1:]).all()
        assert str(np.array([1 / 3])) == "[0.333]"
        """,
        tmp_path,
    )


def test_sympy_counters_and_caches(tmp_path: Path) -> None:
    survive(
        """
        from sympy import Dummy, Symbol, symbols, sin, integrate, Function, cos
        x = Symbol("x"); a = Dummy("a"); before = {a, Dummy("a"), x}
        expression = sin(x) ** 2 + cos(a)
        text, order = str(expression), [str(e) for e in before]
        table = {expression: 1, x: 2}
        freeze()
        assert len({Dummy("a") for _ in range(5)} | before) == 8 and len(before) == 3
        assert Symbol("x") == x and str(expression) == text and [str(e) for e in before] == order
        assert integrate(sin(x), x) == -cos(x) and expression.subs(a, 0) == sin(x) ** 2 + 1
        assert table[sin(Symbol("x")) ** 2 + cos(a)] == 1 and table[x] == 2
        """,
        tmp_path,
    )


def test_logging(tmp_path: Path) -> None:
    printed = survive(
        """
        import logging, sys, io
        logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(message)s", stream=sys.stdout)
        buffer = io.StringIO()
        child = logging.getLogger("a.b"); child.setLevel(logging.ERROR); child.addHandler(logging.StreamHandler(buffer))
        logging.addLevelName(15, "NOTE")
        freeze()
        assert logging.getLogger("a.b") is child and child.parent is logging.getLogger() and child.level == 40
        child.error("in both"); child.info("in none"); logging.log(15, "hello")
        assert buffer.getvalue() == "in both\\n" and logging.getLogger().handlers[0].stream is sys.stdout
        """,
        tmp_path,
    )
    assert printed == "ERROR in both\nNOTE hello\n"


def test_warnings(tmp_path: Path) -> None:
    survive(
        """
        import warnings
        warnings.simplefilter("error", UserWarning)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.warn("one", UserWarning)
            freeze()
            warnings.warn("two", UserWarning)
        assert [str(w.message) for w in caught] == ["one", "two"]
        try: warnings.warn("three", UserWarning)
        except UserWarning: pass
        else: raise AssertionError
        """,
        tmp_path,
    )


def test_what_the_kernel_and_interpreter_keep(tmp_path: Path) -> None:
    printed = survive(
        """
        import os, signal, sys, gc, atexit, contextvars, threading, locale, time
        home = os.path.dirname(os.path.abspath(sys.argv[0]))
        os.environ["FOO"] = "bar"; os.environ.pop("HOME", None); os.chdir(home); os.umask(0o27)
        got = []
        def handler(number, frame): got.append(number)
        signal.signal(signal.SIGUSR1, handler); signal.signal(signal.SIGALRM, handler)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 50.0, 7.0)
        sys.setrecursionlimit(3333); sys.setswitchinterval(0.25); sys.set_int_max_str_digits(5000)
        gc.set_threshold(600, 9, 8); sys.argv.append("more"); sys.path.insert(0, "/somewhere")
        atexit.register(print, "first"); atexit.register(print, "last", end="; ")
        variable = contextvars.ContextVar("variable"); token = variable.set(5)
        other = contextvars.ContextVar("other", default=1)
        threading.current_thread().name = "Hugo"
        hook = lambda *a: print("hook", a[0].__name__); sys.excepthook = hook
        modules = list(sys.modules)
        freeze()
        assert os.environ["FOO"] == "bar" and "HOME" not in os.environ and os.popen("echo $FOO").read() == "bar\\n"
        assert os.getcwd() == home and os.umask(0) == 0o27
        os.kill(os.getpid(), signal.SIGUSR1)
        assert got == [signal.SIGUSR1] and signal.getsignal(signal.SIGUSR2) == signal.SIG_IGN
        left, interval = signal.getitimer(signal.ITIMER_REAL); assert 0 < left <= 50 and interval == 7.0
        assert (sys.getrecursionlimit(), sys.getswitchinterval(), sys.get_int_max_str_digits()) == (3333, 0.25, 5000)
        assert gc.get_threshold() == (600, 9, 8) and sys.argv[-1] == "more" and sys.path[0] == "/somewhere"
        assert variable.get() == 5 and other.get() == 1; variable.reset(token)
        try: variable.get()
        except LookupError: pass
        else: raise AssertionError
        thread = threading.current_thread()
        assert thread.name == "Hugo" and thread is threading.main_thread() and thread.ident == threading.get_ident()
        assert sys.excepthook is hook and sys.modules["__main__"].__dict__ is globals()
        assert [m for m in sys.modules if m in modules] == modules, set(modules) ^ set(sys.modules)
        """,
        tmp_path,
    )
    assert printed == "last; first\n"


def test_modules_and_packages_of_the_program(tmp_path: Path) -> None:
    survive(
        """
        import sys, helper, importlib.util
        from helper import Kind
        helper.counter += 1
        made = Kind()
        spec = helper.__spec__
        freeze()
        assert helper.count() == 1 and type(made) is helper.Kind and sys.modules["helper"] is helper
        assert helper.__spec__ is spec and spec.name == "helper" and helper.__file__.endswith("helper.py")
        """,
        tmp_path,
        extra={"helper.py": "counter = 0\nclass Kind: pass\ndef count(): return counter\n"},
    )


def test_a_thawed_process_sheds_nothing_over_many_moves(tmp_path: Path) -> None:
    printed = survive(
        """
        import json, itertools
        def numbers():
            for n in itertools.count():
                yield n
        source, seen = numbers(), []
        for n in source:
            seen.append(n)
            json.JSONDecoder.seen = seen
            if n == 4: break
            freeze()
        print(json.JSONDecoder.seen, seen is json.JSONDecoder.seen)
        """,
        tmp_path,
        moves=4,
    )
    assert printed == "[0, 1, 2, 3, 4] True\n"


def test_a_refusal_names_object_path_and_frame(tmp_path: Path) -> None:
    report = refused(
        """
        import socket
        class Pool: pass
        def main():
            pool = Pool(); pool.members = [None, {"first": socket.socket()}]
            freeze()
            pool.members[1]["first"].close()
        main()
        """,
        tmp_path,
    )
    assert "socket" in report and "main() line" in report and "pool.members[1]" in report, report


def test_a_module_that_holds_what_cannot_travel_is_named(tmp_path: Path) -> None:
    report = refused(
        "import json, _thread, select\njson.decoder.poll = select.poll()\nfreeze()\n",
        tmp_path,
    )
    assert "json.decoder.poll" in report and "select.poll" in report, report


def test_a_local_decimal_context_that_is_entered(tmp_path: Path) -> None:
    survive(
        """
        import decimal
        decimal.getcontext().prec = 40
        outer = decimal.getcontext()
        waiting = decimal.localcontext(decimal.Context(prec=5))
        with decimal.localcontext() as inner:
            inner.prec = 17
            with decimal.localcontext(decimal.Context(prec=9)) as innermost:
                freeze()
                assert decimal.getcontext() is innermost and innermost.prec == 9
            assert decimal.getcontext() is inner and inner.prec == 17
        assert decimal.getcontext() is outer and outer.prec == 40
        decimal.setcontext(decimal.Context(prec=3))
        with waiting as late:
            assert late.prec == 5 and decimal.getcontext() is late
        assert decimal.getcontext() is outer
        """,
        tmp_path,
    )


@pytest.mark.parametrize("changes", [3, 250_000])
def test_warnings_that_were_shown_are_not_shown_again(tmp_path: Path, changes: int) -> None:
    survive(
        f"""
        import warnings
        shown = []
        def complain(message): warnings.warn(message)
        def show(message, *_, **__): shown.append(str(message))
        warnings.simplefilter("default")
        warnings.showwarning = show
        def stale(): warnings.warn("stale")
        stale()
        for _ in range({changes}):
            warnings.filterwarnings("ignore", message="nothing")
            del warnings.filters[0]
        complain("once")
        for _ in range(2):
            freeze()
            complain("once")
        assert shown == ["stale", "once"], shown
        warnings.filterwarnings("always", message="other")
        complain("once")
        stale()
        assert shown == ["stale", "once", "once", "stale"], shown
        """,
        tmp_path, moves=2,
    )  # fmt: skip


def test_contents_of_caches_of_the_library(tmp_path: Path) -> None:
    survive(
        """
        import fnmatch, ipaddress, typing, urllib.parse
        class Mine: pass
        found = urllib.parse.urlsplit("http://host/a"), urllib.parse.urlsplit(b"http://host/b", allow_fragments=False)
        wanted = typing.List[Mine]
        inside = ipaddress.IPv4Network("10.0.0.0/8").is_global
        asked = ipaddress.IPv4Network.is_global.fget
        for step in range(3):
            fnmatch.fnmatchcase("a", f"b{step}")
            freeze()
            assert urllib.parse.urlsplit("http://host/a") is found[0]
            assert urllib.parse.urlsplit(b"http://host/b", allow_fragments=False) is found[1]
            assert typing.List[Mine] is wanted and typing.get_args(wanted) == (Mine,)
            assert asked.cache_info().currsize == 1
            assert fnmatch._compile_pattern.cache_info().currsize == step + 1
        urllib.parse.urlsplit.cache_clear()
        freeze()
        assert urllib.parse.urlsplit.cache_info().currsize == 0
        """,
        tmp_path, moves=4,
    )  # fmt: skip


def test_what_only_a_cache_of_the_library_holds_does_not_keep_a_program(tmp_path: Path) -> None:
    survive(
        """
        import fnmatch, socket, urllib.parse
        class Name(str): pass
        name = Name("http://host/a")
        name.connection = socket.socket()
        urllib.parse.urlsplit(name); del name
        pattern = fnmatch._compile_pattern("a*")
        freeze()
        assert urllib.parse.urlsplit.cache_info().currsize == 0
        assert fnmatch._compile_pattern("a*") is pattern
        """,
        tmp_path,
    )


def test_what_only_claims_to_be_a_class(tmp_path: Path) -> None:
    survive(
        """
        import json
        plain = json.dumps
        json.dumps = lambda *a, **k: "P" + plain(*a, **k)  # no longer where it was, so it is looked for everywhere
        class Liar:
            @property
            def __class__(self):
                raise RuntimeError("asked for its class")
        liars = [Liar()]
        freeze()
        assert json.dumps(1) == "P1" and type(liars[0]) is Liar
        """,
        tmp_path,
    )  # fmt: skip
