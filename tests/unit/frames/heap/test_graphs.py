"""Property: any graph of containers and instances arrives with its identities, types and orders.

Two processes that stand ready, with one hash seed, make it quick: the first builds a graph from a recipe and dumps it,
the second loads it. Both describe what they have: objects numbered as a walk meets them, contents in order of
iteration.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from heap_carrier import SOURCE
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

PEER = """
import sys, json, types, traceback
sys.path.insert(0, {source!r})
import sojourn.frames.heap as heap
space = types.ModuleType("__main__"); space.__builtins__ = __builtins__; sys.modules["__main__"] = space
exec('''
class Plain: pass
class Slots:
    __slots__ = ("a", "b")
class Hashed:
    def __hash__(self): return hash(self.key)
    def __eq__(self, other): return type(other) is Hashed and self.key == other.key
class Rows(list): pass
class Table(dict): pass
''', space.__dict__)

def build(recipe):
    made = []
    def get(i): return made[i % len(made)]
    def hashable(x):  # by value: an order that comes from addresses does not travel
        if type(x) in (tuple, frozenset): return all(map(hashable, x))
        return type(x) in (int, str, float, bool) or type(x) is space.Hashed and hasattr(x, "key")
    for kind, value, refs in recipe:
        if kind == "leaf": new = value
        elif kind == "list": new = []
        elif kind == "rows": new = space.Rows()
        elif kind == "dict": new = {{}}
        elif kind == "table": new = space.Table()
        elif kind == "set": new = set()
        elif kind == "plain": new = space.Plain()
        elif kind == "slots": new = space.Slots()
        elif kind == "hashed": new = space.Hashed(); new.key = value
        elif kind == "tuple": new = tuple(get(i) for i in refs) if made else ()
        elif kind == "frozenset": new = frozenset(x for x in map(get, refs) if hashable(x)) if made else frozenset()
        made.append(new)
    for (kind, value, refs), new in zip(recipe, made):
        parts = [get(i) for i in refs]
        if kind in ("list", "rows"): new.extend(parts)
        elif kind in ("dict", "table"):
            for k, v in zip(parts[::2], parts[1::2]):
                if hashable(k): new[k] = v
        elif kind == "set":
            fillers = range(10_000, 10_000 + (value if isinstance(value, int) and 0 < value < 200 else 0))
            new.update(fillers); new.update(p for p in parts if hashable(p)); new.difference_update(fillers)
        elif kind == "plain":
            for i, p in enumerate(parts): setattr(new, "abcdef"[-i % 6], p)
        elif kind == "slots":
            for name, p in zip("ba", parts): setattr(new, name, p)
        elif kind == "hashed" and parts: new.other = parts[0]
    return made

def describe(root):
    numbers, out, queue = {{}}, [], []
    def number(x):
        if type(x) in (int, str, float, bool, type(None)): return repr(x)
        if id(x) not in numbers: numbers[id(x)] = len(numbers); queue.append(x)
        return numbers[id(x)]
    number(root)
    for x in queue:
        kind = type(x).__name__
        if isinstance(x, dict): content = [(number(k), number(v)) for k, v in x.items()]
        elif isinstance(x, (list, tuple, set, frozenset)): content = [number(e) for e in x]
        elif kind == "Slots": content = [(n, number(getattr(x, n))) for n in "ab" if hasattr(x, n)]
        else: content = [(k, number(v)) for k, v in vars(x).items()]
        if not (x == () or x == frozenset()): out.append((kind, content))
    return out

for line in sys.stdin.buffer:
    order, text = line.decode().split(" ", 1)
    data = ""
    try:
        if order == "dump":
            made = build(json.loads(text))
            data = heap.dump([made, space]).hex()
        else:
            made, space = heap.load(bytes.fromhex(text))
        told = describe(made)
    except Exception:
        told = traceback.format_exc()
    print(data, json.dumps(told), sep="|", flush=True)
"""

LEAVES = st.one_of(
    st.integers(-3, 300), st.text("abc", max_size=2), st.booleans(), st.floats(allow_nan=False, width=16)
)
KINDS = st.sampled_from(
    ("leaf", "leaf", "list", "rows", "dict", "table", "set", "plain", "slots", "hashed", "tuple", "frozenset")
)
RECIPES = st.lists(
    st.tuples(KINDS, LEAVES, st.lists(st.integers(0, 40), max_size=6)), min_size=1, max_size=25
)


class Peer:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PEER.format(source=str(SOURCE))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": "3"},
        )  # fmt: skip

    def ask(self, order: str, text: str) -> list[str]:
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.process.stdin.write(f"{order} {text}\n".encode())
        self.process.stdin.flush()
        answer = self.process.stdout.readline().decode()
        assert answer, self.process.stderr.read().decode()
        return answer.strip().split("|", 1)


@pytest.fixture(scope="module")
def peers() -> Iterator[tuple[Peer, Peer]]:
    both = (Peer(), Peer())
    yield both
    for peer in both:
        peer.process.kill()
        peer.process.communicate()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recipe=RECIPES)
@example(recipe=[("hashed", 0, []), ("tuple", 0, [0, 0]), ("set", 0, [0]), ("frozenset", 0, [1])])
def test_graph_arrives_as_it_was(peers: tuple[Peer, Peer], recipe: list[Any]) -> None:
    data, before = peers[0].ask("dump", json.dumps(recipe))
    assert data, json.loads(before)
    _, after = peers[1].ask("load", data)
    assert json.loads(after) == json.loads(before)
