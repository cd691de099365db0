"""The log: everything a process ever wrote to its standard output and standard error, in order of arrival.

Concepts. A log is a folder of segments, one per epoch (each time the process changes its node a new epoch
begins). A segment is a file of records: stream (1 byte: 1 output, 2 errors, 3 a terminal's transcript), length
(4 bytes, big-endian), the bytes. A `Position` names a place between two records of one segment.

Guarantees. Bytes come back exactly as they went in, each stream in its own order, nothing lost and nothing
doubled, over any number of moves. A record that a crash cut short is not read, and is removed before anything
is appended. An append that the disk refuses leaves the segment as it was and raises `OSError`: the bytes stay
with whoever drains.

Segments are shipped as bytes: a peer's `adopt` takes any piece that joins on to what it has (a piece it has
already is compared and skipped), so that shipping can be repeated after a cut.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from sojourn.errors import InternalError, ProtocolError

OUT = 1
ERR = 2
TERMINAL = 3
STREAM_NAMES = {OUT: "out", ERR: "err", TERMINAL: "terminal"}
MAX_RECORD = 16 * 1024 * 1024
WALKED = 512 * 1024  # bytes that are looked through for a record's beginning; most records are shorter
KEPT_OPEN = 4  # descriptors of one log: a process that has moved a thousand times has a thousand segments
_HEADER = struct.Struct(">BI")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a log: before anything at `START`."""

    epoch: int = 0
    offset: int = 0


START = Position()


@dataclass(frozen=True, slots=True)
class Record:
    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Segment:
    epoch: int
    size: int


class Log:
    """The log of one process on one node. One writer (the node that owns the process), any number of readers.

    Args:
        folder: where the segments are; made if missing.
        epoch: the epoch to append to; None for a log that is only read and adopted into.
    """

    def __init__(self, folder: Path, epoch: int | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.epoch = 0
        self.ended = False
        self._sizes: dict[int, int] = {}  # epoch -> bytes of whole records
        self._files: dict[int, int] = {}  # epoch -> descriptor, of those open now; see `_file`
        self._growth = asyncio.Event()
        for path in folder.glob("*.log"):
            if path.stem.isdigit():
                self._open(int(path.stem))
        if epoch is not None:
            self.begin(epoch)

    # -- writing ---------------------------------------------------------------

    @property
    def begun(self) -> bool:
        """Whether there is an epoch to append to."""
        return self.epoch in self._sizes

    def begin(self, epoch: int) -> None:
        """From here on `append` writes to this epoch's segment."""
        if epoch < max(self._sizes, default=0):
            raise InternalError(f"log {self.folder.name}: epoch {epoch} after {max(self._sizes)}")
        self._open(epoch)
        self.epoch = epoch
        self.ended = False

    def append(self, stream: int, data: bytes) -> None:
        """Adds bytes of a stream. Raises OSError (disk full, ...) with the log unchanged."""
        if not data:
            return
        file, size = self._file(self.epoch), self._sizes[self.epoch]
        frame = memoryview(_HEADER.pack(stream, len(data)) + data)
        self._write(file, frame, size)
        self._sizes[self.epoch] = size + len(frame)
        self._grew()

    def adopt(self, epoch: int, offset: int, data: bytes) -> None:
        """Takes a piece of a segment from a peer. The piece must begin within or right after what is here."""
        self._open(epoch)
        size, file = self._sizes[epoch], self._file(epoch)
        known = data[: max(0, size - offset)]
        if offset > size or known != os.pread(file, len(known), offset):
            raise ProtocolError(
                f"log {self.folder.name}: a piece at {offset} of epoch {epoch} does not join at {size}"
            )
        rest = data[len(known) :]
        if rest:
            # A segment in transit may end inside a record; readers stop before it.
            self._write(file, memoryview(rest), size)
            self._sizes[epoch] = size + len(rest)
            self._grew()

    def end(self) -> None:
        """Nothing more will come: followers finish."""
        self.ended = True
        self._grew()

    def close(self) -> None:
        """Ends the log and closes its files; the segments stay on disk."""
        self.end()
        for file in self._files.values():
            os.close(file)
        self._files.clear()

    def remove(self) -> None:
        """Closes the log and deletes it."""
        self.close()
        for path in self.folder.glob("*.log"):
            path.unlink()
        try:
            self.folder.rmdir()
        except OSError:  # something of somebody else's lies there: not ours to delete
            pass

    # -- reading ---------------------------------------------------------------

    def segments(self) -> list[Segment]:
        """Every segment here, oldest first."""
        return [Segment(epoch, self._sizes[epoch]) for epoch in sorted(self._sizes)]

    def piece(self, epoch: int, offset: int, limit: int = 1024 * 1024) -> bytes:
        """Raw bytes of a segment, to be shipped to a peer's `adopt`."""
        return os.pread(self._file(epoch), max(0, min(limit, self._sizes[epoch] - offset)), offset)

    def read(self, position: Position = START, *, limit: int = 1024 * 1024) -> tuple[list[Record], Position]:
        """Records from `position` on, about `limit` bytes of them, and the position behind the last."""
        records: list[Record] = []
        taken = 0
        for epoch in sorted(self._sizes):
            if epoch < position.epoch:
                continue
            offset = position.offset if epoch == position.epoch else 0
            while taken < limit and (record := self._record(epoch, offset)) is not None:
                records.append(record)
                taken += len(record.data)
                offset += _HEADER.size + len(record.data)
            position = Position(epoch, offset)
            if taken >= limit:
                break
        return records, position

    def tail(self, size: int) -> Position:
        """A position such that at least the last `size` bytes of records are behind it, and not many more."""
        position = Position()
        for epoch in sorted(self._sizes, reverse=True):
            before = self._sizes[epoch] - size
            position = Position(epoch, self._boundary(epoch, before) if before > 0 else 0)
            if before >= 0:
                break
            size = -before
        return position

    def _boundary(self, epoch: int, before: int) -> int:
        """The last beginning of a record that is not behind `before`.

        In a long segment nobody has the time to walk through all records. There it is taken to be the last place from
        which what look like records lead exactly to the segment's end.
        """
        if before > WALKED:
            file, first = self._file(epoch), before - WALKED
            window = os.pread(file, WALKED + 1, first)
            for at in range(WALKED, -1, -1):
                if window[at] in STREAM_NAMES and self._leads_to_end(epoch, first + at):
                    return first + at
        offset = 0
        while (record := self._record(epoch, offset)) is not None:
            end = offset + _HEADER.size + len(record.data)
            if end > before:
                break
            offset = end
        return offset

    def _leads_to_end(self, epoch: int, offset: int) -> bool:
        size, file = self._sizes[epoch], self._file(epoch)
        while offset + _HEADER.size <= size:
            stream, length = _HEADER.unpack(os.pread(file, _HEADER.size, offset))
            if stream not in STREAM_NAMES or not 0 < length <= MAX_RECORD:
                return False
            offset += _HEADER.size + length
        return offset == size

    def content(self, stream: int | None = None) -> bytes:
        """All bytes of one stream (or of both, in order of arrival)."""
        found: list[bytes] = []
        position, records = START, [Record(0, b"")]
        while records:
            records, position = self.read(position)
            found += [record.data for record in records if stream in (None, record.stream)]
        return b"".join(found)

    async def grown(self, position: Position) -> bool:
        """Waits until there is something behind `position`; False when the log has ended and there is not."""
        while not self.read(position, limit=1)[0]:
            if self.ended:
                return False
            growth = self._growth
            await growth.wait()
        return True

    async def follow(self, position: Position = START) -> AsyncIterator[list[Record]]:
        """Records as they come, until the log ends."""
        while await self.grown(position):
            records, position = self.read(position)
            yield records

    # -- inside ---------------------------------------------------------------

    def _record(self, epoch: int, offset: int) -> Record | None:
        size, file = self._sizes[epoch], self._file(epoch)
        if offset + _HEADER.size > size:
            return None
        stream, length = _HEADER.unpack(os.pread(file, _HEADER.size, offset))
        if length > MAX_RECORD or stream not in STREAM_NAMES:
            raise InternalError(f"log {self.folder.name}: no record at {offset} of epoch {epoch}")
        if offset + _HEADER.size + length > size:
            return None
        return Record(stream, os.pread(file, length, offset + _HEADER.size))

    def _write(self, file: int, data: memoryview, offset: int) -> None:
        """Writes all of `data` or leaves the file as it was."""
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(file, data[written:], offset + written)
        except OSError:
            os.ftruncate(file, offset)
            raise

    def _open(self, epoch: int) -> None:
        if epoch in self._sizes:
            return
        file = self._file(epoch)
        size = self._sizes[epoch] = os.fstat(file).st_size
        # What a crash left of a last record goes: appended bytes would otherwise be taken for its rest.
        whole = self._whole(epoch)
        if whole != size:
            os.ftruncate(file, whole)
            self._sizes[epoch] = whole

    def _file(self, epoch: int) -> int:
        """The descriptor of a segment; the one used longest ago gives way, never the one that is appended to."""
        file = self._files.pop(epoch, None)
        if file is None:
            file = os.open(self.folder / f"{epoch}.log", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            others = [each for each in self._files if each != self.epoch]
            for other in others[: 2 - KEPT_OPEN]:  # all but the last; this one and the one appended to come on top
                os.close(self._files.pop(other))
        self._files[epoch] = file
        return file

    def _whole(self, epoch: int) -> int:
        offset, size, file = 0, self._sizes[epoch], self._file(epoch)
        while offset + _HEADER.size <= size:
            stream, length = _HEADER.unpack(os.pread(file, _HEADER.size, offset))
            end = offset + _HEADER.size + length
            if stream not in STREAM_NAMES or length > MAX_RECORD or end > size:
                break
            offset = end
        return offset

    def _grew(self) -> None:
        growth, self._growth = self._growth, asyncio.Event()
        growth.set()
