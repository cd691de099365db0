"""What extension packages leave in sys.modules: cffi's libraries say that they are modules, and are none."""

import sys
from types import ModuleType

try:
    import cryptography.hazmat.bindings._rust  # noqa: F401
    from cryptography.hazmat.primitives.hashes import SHA256
except ImportError:
    SHA256 = dict


class Library:
    """As `_cffi_backend.Lib`."""

    __class__ = ModuleType  # type: ignore[assignment]


def make():
    sys.modules["pretending"] = Library()
    return SHA256()


def check(made):
    assert type(made) is SHA256
