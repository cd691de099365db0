"""The tables of a code object as the interpreter reads them, written: exceptions and positions.

`analyze.read_exception_table` is the other direction of the first; `co_positions()` is that of the second.
"""

from __future__ import annotations

from collections.abc import Iterable

from .analyze import Handler, Position


def write_exception_table(handlers: Iterable[Handler]) -> bytes:
    """Encode `co_exceptiontable`, sorted as the interpreter's search expects it."""
    table = bytearray()
    for h in sorted(handlers, key=lambda h: h.start):
        start = len(table)
        for number in (h.start // 2, (h.end - h.start) // 2, h.target // 2, h.depth << 1 | h.lasti):
            digits = [number & 63]
            while number := number >> 6:
                digits.append(number & 63 | 64)
            table += bytes(reversed(digits))
        table[start] |= 128
    return bytes(table)


def _varint(table: bytearray, number: int) -> None:
    while number >= 64:
        table.append(64 | number & 63)
        number >>= 6
    table.append(number)


def _signed_varint(table: bytearray, number: int) -> None:
    _varint(table, -number << 1 | 1 if number < 0 else number << 1)


def write_line_table(first_line: int, spans: Iterable[tuple[int, Position]]) -> bytes:
    """Encode a line table that covers `spans` (length in bytes, position) and ends at the line it began with.

    Entries hold the difference to the line before, so a table may be prefixed if the prefix comes back to its start.
    An entry covers up to eight units: long form (14) with columns, 13 with a line only, 15 with nothing.
    """
    table = bytearray()
    current = first_line
    pending = [(length // 2, position) for length, position in spans if length]
    for number, (units, position) in enumerate(pending):
        line, end_line, column, end_column = position
        while units:
            count = min(units, 8)
            units -= count
            if number == len(pending) - 1 and not units:
                line, end_line, column, end_column = first_line, None, None, None  # come back
            if line is None:
                table.append(0x80 | 15 << 3 | count - 1)
                continue
            if end_line is None or column is None or end_column is None:
                table.append(0x80 | 13 << 3 | count - 1)
                _signed_varint(table, line - current)
            else:
                table.append(0x80 | 14 << 3 | count - 1)
                _signed_varint(table, line - current)
                _varint(table, end_line - line)
                _varint(table, column + 1)
                _varint(table, end_column + 1)
            current = line
    return bytes(table)
