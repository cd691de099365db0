"""Ids: unique without asking anybody, short, and sortable by the time they were made.

An id is 20 characters of lower-case base 32 (Crockford's alphabet without i, l, o, u): 48 bits of
milliseconds, then 52 bits of the system's randomness. Two ids made in the same millisecond collide with a
chance of 2^-52.
"""

from __future__ import annotations

import os

from sojourn._util import clock

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 20


def new_id() -> str:
    """A new id."""
    milliseconds = clock.wall_ns() // 1_000_000 & (1 << 48) - 1
    number = milliseconds << 52 | int.from_bytes(os.urandom(7), "big") >> 4
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (LENGTH - 1), -1, -5))


def is_id(text: str) -> bool:
    """Whether `text` has the form of an id (so that it can safely name a file)."""
    return len(text) == LENGTH and all(letter in _ALPHABET for letter in text)
