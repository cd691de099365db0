"""Shared objects stay shared, cycles stay cycles, singletons stay themselves, weak references stay weak."""

import copy
import weakref


class Node:
    registry = weakref.WeakValueDictionary()

    def __init__(self, name):
        self.name, self.next, self.marks = name, None, {}
        self.registry[name] = self


MISSING = object()
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
    for _ in range(240_000):
        pass
print(all(node.marks["shared"] is shared for node in ring), nested[0] is nested, watched() is ring[2], gone())
print(table[MISSING], table[None], table[()], table[...], proxy.name, sorted(Node.registry))
print(
    node.marks[299] is MISSING, ring[0].next.next.next.next.next is ring[0], len(copy.deepcopy(ring)[0].marks)
)
