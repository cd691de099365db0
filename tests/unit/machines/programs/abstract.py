# ruff: noqa
"""Prints what is registered with the abstract classes."""

import _abc, _collections_abc, os, io
for m in (_collections_abc, os, io):
    for n,c in sorted(vars(m).items()):
        if type(c).__name__=="ABCMeta": print(n, sorted(r().__name__ for r in _abc._get_dump(c)[0]))
