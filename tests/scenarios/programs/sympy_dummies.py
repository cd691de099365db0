"""sympy counts its Dummy symbols in class attributes, caches results, and keys its assumptions by them."""

import sympy
from sympy import Dummy, Symbol, expand, factor

x, y = Symbol("x"), Symbol("y", positive=True)
seen = []
total = sympy.Integer(0)
for step in range(6000):
    dummy = Dummy("d")
    seen.append(dummy.dummy_index)
    total = expand((total + (x + step) * (y - step)) ** 1 + dummy - dummy)
    assert Symbol("x") is x and Symbol("y", positive=True) is y and dummy != Dummy("d")
print(all(b - a == 2 for a, b in zip(seen, seen[1:])), len(set(seen)))
print(factor(total.subs(y, 1)), sympy.sqrt(y**2), sympy.sqrt(x**2))
