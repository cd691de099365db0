"""The keys that detach: `ctrl-p,ctrl-q` as bytes, and the finding of them in what is typed."""

from __future__ import annotations

import click

DEFAULT = "ctrl-p,ctrl-q"


def parsed(text: str) -> bytes:
    """The bytes of a sequence such as `ctrl-p,ctrl-q`, `ctrl-]` or `~,.`; nothing for an empty one.

    Raises ValueError for what is no key.
    """
    return b"".join(_key(each) for each in text.split(",")) if text else b""


def _key(text: str) -> bytes:
    name = text.lower().removeprefix("ctrl-")
    if len(name) != 1 or not 32 < ord(name) < 127:
        raise ValueError(f"{text!r} is no key: write a character, or ctrl- and a letter or one of @[\\]^_")
    if text.lower() == name:
        return text.encode()
    if not "@" <= name.upper() <= "_":
        raise ValueError(f"there is no {text!r}")
    return bytes((ord(name.upper()) & 31,))


class Detaching(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]  (generic in stubs alone)
    """A sequence of keys, as its bytes."""

    name = "KEYS"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        try:
            return parsed(str(value))
        except ValueError as why:
            self.fail(str(why), param, ctx)


class Watch:
    """Looks for the sequence in what is typed, piece by piece.

    Guarantee: what is not the sequence comes out unchanged; its beginning waits until the next key decides.
    """

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What is to be typed now, and whether the sequence has come (what is behind it is dropped)."""
        if not self._keys:
            return data, False
        data = self._held + data
        found = data.find(self._keys)
        if found >= 0:
            self._held = b""
            return data[:found], True
        waits = next((n for n in range(len(self._keys) - 1, 0, -1) if data.endswith(self._keys[:n])), 0)
        self._held = data[len(data) - waits :]
        return data[: len(data) - waits], False
