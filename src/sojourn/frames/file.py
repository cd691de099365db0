"""The container of an image: one file or memfd, hostile until checked.

    0           magic "SOJOURN1", header size and its crc32 (two little-endian u32)
    16          header: JSON, UTF-8
    …           segments, each at the offset that the header gives; large buffers at page boundaries

The header says who wrote the image (`Origin`), which segments there are (name, offset, size, crc32 for all but large
buffers) and carries what must be known before anything is built (`carried`).

Guarantees. `Image.open` believes nothing: sizes are capped and must lie inside the file, names must be known, the
checksums must agree; everything else is `errors.BadImage`. An image of another interpreter is refused by
`Origin.check`, which names both sides. Integrity against an enemy is the transport's business (digests,
authentication); a checksum only finds accidents.

Writing makes one copy of the memory (`os.writev` from where it lies). Reading maps the file privately: buffers are
views into the map, and 100 MB cost page faults when they are used, not a copy.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sojourn.errors import BadImage, Refused

_HEAD = struct.Struct("<8sII")
_MAGIC = b"SOJOURN1"
_MAX_HEADER = 16 << 20
_MAX_SEGMENTS = 1 << 20
_PAGE = 4096
_LARGE = 16 * _PAGE
_CHECKED = 64 << 20  # segments up to this size have a checksum
encode = json.JSONEncoder(separators=(",", ":")).encode  # ours: the program may patch json's functions
decode = json.JSONDecoder().decode
_BATCH = 64  # buffers handed to one writev


@dataclass(frozen=True, slots=True)
class Origin:
    """The interpreter that an image needs. `probe` is the hash of a fixed string: it stands for the hash seed."""

    implementation: str
    version: str
    arch: str
    build: str
    probe: int

    @classmethod
    def here(cls) -> Origin:
        return cls(
            sys.implementation.name,
            "{}.{}.{}{}{}".format(*sys.version_info),
            platform_machine(),
            f"{sys.implementation.cache_tag}{sys.abiflags} {struct.calcsize('P') * 8} bit {sys.byteorder}",
            hash("sojourn"),
        )

    def reasons(self, other: Origin) -> list[str]:
        """Why an image of `self` cannot be thawed by an interpreter `other`; empty if it can."""
        found = [
            f"{what}: the image needs {mine}, this is {theirs}"
            for what, mine, theirs in (
                ("implementation", self.implementation, other.implementation),
                ("version", self.version.rpartition(".")[0], other.version.rpartition(".")[0]),
                ("architecture", self.arch, other.arch),
                ("build", self.build, other.build),
            )
            if mine != theirs
        ]
        if not found and self.probe != other.probe:
            found.append("hash seed: the image was written under another PYTHONHASHSEED")
        return found

    def check(self, other: Origin | None = None) -> None:
        """Raises Refused with every reason."""
        reasons = self.reasons(other or Origin.here())
        if reasons:
            raise Refused("the image belongs to another interpreter", reasons=reasons)


def platform_machine() -> str:
    return os.uname().machine


@dataclass(frozen=True, slots=True)
class Segment:
    name: str
    offset: int
    size: int
    crc: int | None


def write(fd: int, segments: Sequence[tuple[str, Any]], fields: dict[str, Any]) -> int:
    """Write an image to `fd` from its offset 0; returns its size.

    Args:
        segments: (name, buffer); buffers are written from where they lie.
        fields: what the header says beside origin and segments; JSON-able.
    """
    views = [
        memoryview(data).cast("B") if memoryview(data).nbytes else memoryview(b"") for _, data in segments
    ]
    try:
        return _write(fd, [name for name, _ in segments], views, fields)
    finally:
        for view in views:
            view.release()  # whoever fails here may be held by an error, and must not hold the program's memory


def _write(fd: int, names: list[str], views: list[memoryview], fields: dict[str, Any]) -> int:
    rows: list[list[Any]] = []
    place = 0
    for name, view in zip(names, views, strict=True):
        place = _start(place, view.nbytes >= _LARGE)
        crc = zlib.crc32(view) if view.nbytes <= _CHECKED and not name.startswith("buffer") else None
        rows.append([name, place, view.nbytes, crc])
        place += view.nbytes
    origin = Origin.here()
    described = {name: getattr(origin, name) for name in Origin.__slots__}
    header = encode({**fields, "origin": described, "segments": rows}).encode()
    start = _start(_HEAD.size + len(header), any(size >= _LARGE for _, _, size, _ in rows))
    parts: list[Any] = [_HEAD.pack(_MAGIC, len(header), zlib.crc32(header)), header]
    at = _HEAD.size + len(header)
    for (_, offset, size, _), view in zip(rows, views, strict=True):
        parts.append(bytes(start + offset - at))
        parts.append(view)
        at = start + offset + size
    os.lseek(fd, 0, os.SEEK_SET)
    _write_all(fd, [part for part in parts if len(part)])
    return at


def _start(place: int, large: bool) -> int:
    """The next place where a segment may begin: large ones at pages, so that they can be mapped."""
    unit = _PAGE if large else 16
    return -(-place // unit) * unit


def _write_all(fd: int, parts: list[Any]) -> None:
    try:
        while parts:
            done = os.writev(fd, parts[:_BATCH])
            while parts and done >= len(parts[0]):
                done -= len(parts.pop(0))
            if done:
                parts[0] = memoryview(parts[0])[done:]
    finally:
        parts.clear()


class Image:
    """An opened image. `header` is checked; `segment` gives views into a private map of the file."""

    def __init__(
        self, header: dict[str, Any], origin: Origin, segments: dict[str, Segment], data: memoryview
    ) -> None:
        self.header = header
        self.origin = origin
        self.segments = segments
        self.data = data

    @classmethod
    def open(cls, fd: int) -> Image:
        """Map and check an image. `fd` stays the caller's and may be closed. Raises BadImage."""
        size = os.fstat(fd).st_size
        if size < _HEAD.size:
            raise BadImage(f"the image has {size} bytes, too few for a header")
        mapped = mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        return cls.parse(memoryview(mapped))

    @classmethod
    def parse(cls, data: memoryview) -> Image:
        """Check bytes as an image. Raises BadImage."""
        if len(data) < _HEAD.size:
            raise BadImage(f"the image has {len(data)} bytes, too few for a header")
        magic, length, crc = _HEAD.unpack_from(data)
        if magic[:7] != _MAGIC[:7]:
            raise BadImage("these bytes are not an image")
        if magic != _MAGIC:
            raise BadImage(f"the image has format {magic[7:]!r}, this is {_MAGIC[7:]!r}")
        if length > _MAX_HEADER or _HEAD.size + length > len(data):
            raise BadImage(f"the image says that its header has {length} bytes; it has {len(data)} in all")
        raw = bytes(data[_HEAD.size : _HEAD.size + length])
        if zlib.crc32(raw) != crc:
            raise BadImage("the header of the image is damaged")
        try:
            header = decode(raw.decode())
            origin = _origin(header["origin"])
            segments = _segments(header["segments"], _HEAD.size + length, data)
        except (ValueError, KeyError, TypeError, RecursionError) as failure:
            raise BadImage(
                f"the header of the image does not make sense: {type(failure).__name__}: {failure}"
            ) from None
        return cls(header, origin, segments, data)

    def segment(self, name: str) -> memoryview:
        """The bytes of a segment, writable, private to this process."""
        segment = self.segments.get(name)
        if segment is None:
            raise BadImage(f"the image has no segment {name!r}")
        return self.data[segment.offset : segment.offset + segment.size]

    def buffers(self) -> list[memoryview]:
        return [self.segment(name) for name in self.segments if name.startswith("buffer")]


def _origin(row: Any) -> Origin:
    values = [row[name] for name in Origin.__slots__]
    if not all(type(value) is str for value in values[:-1]) or type(values[-1]) is not int:
        raise ValueError("origin")
    return Origin(*values)


def _segments(rows: Any, start: int, data: memoryview) -> dict[str, Segment]:
    if not isinstance(rows, list) or len(cast("list[Any]", rows)) > _MAX_SEGMENTS:
        raise ValueError("segments")
    listed = cast("list[list[Any]]", rows)
    found: dict[str, Segment] = {}
    start = _start(start, any(type(row[2]) is int and row[2] >= _LARGE for row in listed))
    for name, offset, size, crc in listed:
        if type(name) is not str or type(offset) is not int or type(size) is not int or name in found:
            raise ValueError(f"segment {name!r}")
        if offset < 0 or size < 0 or start + offset + size > len(data):
            raise ValueError(f"segment {name!r} ends outside of the file")
        if crc is not None and zlib.crc32(data[start + offset : start + offset + size]) != crc:
            raise ValueError(f"segment {name!r} is damaged")
        found[name] = Segment(name, start + offset, size, crc)
    return found
