"""Objects through the pickler written in Python, pickletools and copy."""

import collections
import copy
import io
import pickle
import pickletools

import pyperf

Point = collections.namedtuple("Point", "x y")


class Node:
    def __init__(self, n, below):
        self.n, self.below, self.seen = n, below, {n, n + 1}


def work():
    tree = Node(0, [Node(n, [Point(n, str(n)), {"n": n}]) for n in range(40)])
    tree.below.append(tree)
    out = io.BytesIO()
    pickle._Pickler(out, 4).dump(tree)
    again = copy.deepcopy(pickle._Unpickler(io.BytesIO(out.getvalue())).load())
    return (
        again.below[-1] is again,
        again.below[5].below,
        len(out.getvalue()),
        sum(1 for _ in pickletools.genops(out.getvalue())),
    )


pyperf.Runner().bench_func("pickle_python", work)
