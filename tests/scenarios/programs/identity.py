"""Shared objects stay shared, cycles stay cycles, singletons stay themselves, weak references stay weak; what lies in
code and in data is one."""

import copy
import pickle
import weakref


class Node:
    registry = weakref.WeakValueDictionary()

    def __init__(self, name):
        self.name, self.next, self.marks = name, None, {}
        self.registry[name] = self


def state():
    return {"state": "still in progress", "of": ("one", "constant"), "by": b"what it writes"}


MISSING = object()
states = [state()]
shared = ["shared"]
ring = [Node(f"n{number}") for number in range(5)]
for here, following in zip(ring, ring[1:] + ring[:1]):
    here.next, here.marks["shared"], here.marks["ring"] = following, shared, ring
nested = []
nested.append(nested)
watched = weakref.ref(ring[2])
proxy = weakref.proxy(ring[3])
gone = weakref.ref(Node("short-lived"))
table = {MISSING: "missing", None: "none", (): "empty", Ellipsis: "dots", NotImplemented: "no"}
node = ring[0]
for step in range(300):
    node = node.next
    node.marks[step] = MISSING
    shared.append(step)
    if step % 10 == 0:
        states.append(state())
    for _ in range(240_000):
        pass
print(all(node.marks["shared"] is shared for node in ring), nested[0] is nested, watched() is ring[2], gone())
print(table[MISSING], table[None], table[()], table[...], proxy.name, sorted(Node.registry))
print(
    node.marks[299] is MISSING, ring[0].next.next.next.next.next is ring[0], len(copy.deepcopy(ring)[0].marks)
)
print(len(pickle.dumps(states)), {id(each) for row in states for pair in row.items() for each in pair} == {
    id(each) for pair in state().items() for each in pair
})  # fmt: skip
