"""`import sojourn` in a program, whatever its environment has.

Theory. What plain `python` shows must stay as it is: no entry of ours in `sys.modules`, `sys.path`, `sys.meta_path`.
The interpreter has one more place where modules come from: the table of frozen modules of the program that embeds it,
`PyImport_FrozenModules`, which is for exactly this and empty in `python`. So the name `sojourn` is frozen, with code
that looks what the other finders have, so that an installed package (or a module of the user's by that name) comes
first, and else takes the package from our zip. It then puts that in its own place: what the program gets is an ordinary
module with an ordinary loader.

The zip's package is a small part of the whole: `sojourn.here`, `hop`, `clone`, the errors. At a move it is known by
name, like any library, and imported again from the target's zip.

Guarantee: nothing is imported, and nothing can be seen, before the program says `import sojourn`.

Rejected: a finder in `sys.meta_path` (it shows, and the program's own finders are its business); the zip in `sys.path`
(it shows, and travels to where it is another); copying the package into the environment.
"""
# pyright: basic
# (ctypes)

from __future__ import annotations

import ctypes
import marshal

_SOURCE = """
def find():
    import sys
    from _frozen_importlib import FrozenImporter, module_from_spec
    for finder in sys.meta_path:
        if finder is not FrozenImporter and hasattr(finder, "find_spec"):
            spec = finder.find_spec(__name__, None)
            if spec is not None and spec.loader is not None and spec.origin is not None:
                break
    else:
        from zipimport import zipimporter
        spec = zipimporter(ZIP).find_spec(__name__)
    module = module_from_spec(spec)
    sys.modules[__name__] = module
    spec.loader.exec_module(module)

find()
"""


class _Frozen(ctypes.Structure):
    """`struct _frozen`. Up to 3.12 a function follows, so what stands behind the one entry is empty either way."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("code", ctypes.c_void_p),
        ("size", ctypes.c_int),
        ("is_package", ctypes.c_int),
        ("behind", ctypes.c_void_p * 8),
    )


_kept: list[object] = []  # the interpreter reads them for as long as it lives


def install(zip_path: str) -> None:
    """Freezes the name. In an interpreter that has frozen modules of its own already there is no fallback."""
    table = ctypes.c_void_p.in_dll(ctypes.pythonapi, "PyImport_FrozenModules")
    if table.value:
        return
    source = _SOURCE.replace("ZIP", repr(zip_path))
    code = marshal.dumps(compile(source, "<frozen sojourn>", "exec", dont_inherit=True))
    buffer = ctypes.create_string_buffer(code, len(code))
    entry = _Frozen(b"sojourn", ctypes.addressof(buffer), len(code), 0)
    _kept.extend((buffer, entry))
    table.value = ctypes.addressof(entry)
