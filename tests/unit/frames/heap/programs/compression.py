"""Compression in mid-stream: of zlib in every container and of bzip2, both ways, at many places."""

import bz2
import zlib

WHOLE = b"".join(b"%d squared is %d, and that is all\n" % (each, each * each % 9973) for each in range(5000))
CUTS = (0, 5, 40_000, len(WHOLE))
RAW, GZIP = -15, 31
Decoder = getattr(zlib, "_ZlibDecompressor", None)  # that of gzip, from 3.12 on


def compressors():
    for level, bits, memory, how in ((0, 15, 8, 0), (1, RAW, 8, 0), (6, GZIP, 9, 1), (9, 9, 1, 0), (6, 15, 8, 4)):
        yield zlib.compressobj(level, wbits=bits, memLevel=memory, strategy=how)
    yield zlib.compressobj(zdict=b"squared is, and that is all")
    yield bz2.BZ2Compressor(1)


def ended():
    for made in (zlib.compressobj(), bz2.BZ2Compressor()):
        made.compress(b"x")
        made.flush()
        yield made


def packed():
    """(how to decompress it, the bytes)"""
    for level, bits, how in ((9, RAW, 0), (6, GZIP, 0), (6, 15, zlib.Z_FIXED), (6, 10, 0)):
        made = zlib.compressobj(level, wbits=bits, strategy=how)
        yield bits, made.compress(WHOLE) + made.flush()


def make():
    writing = []
    for cut in CUTS:
        for made in compressors():
            begun = made.compress(WHOLE[:cut])
            rest = made.compress(WHOLE[cut:]) + made.flush()
            writing.append((cut, begun + rest))
    at, begun = 0, []
    for cut in CUTS:
        for made in compressors():
            begun.append((made, made.compress(WHOLE[:cut]), *writing[at]))
            at += 1
    flushed = zlib.compressobj()
    text = flushed.compress(WHOLE[:9000]) + flushed.flush(zlib.Z_SYNC_FLUSH)
    reading = []
    for bits, data in packed():
        for part in (0, 3, 5000, len(data) - 3, len(data)):
            made = zlib.decompressobj(bits)
            seen = made.decompress(data[:part])
            reading.append((made, seen, data[part:]))
            if Decoder is not None:
                for most in (0, 70_000, -1):
                    made = Decoder(wbits=bits)
                    seen = made.decompress(data[:part], most)
                    reading.append((made, seen, data[part:]))
    for part in (0, 2, 3, 60, 20_000):
        data = bz2.compress(WHOLE, 1)
        for most in (5, 90_000, -1):
            made = bz2.BZ2Decompressor()
            reading.append((made, made.decompress(data[:part], most), data[part:]))
    limited = zlib.decompressobj()
    data = zlib.compress(WHOLE)
    few = limited.decompress(data, 50_000)
    whole = zlib.decompressobj()
    whole.decompress(data + b"behind it")
    closed = zlib.decompressobj()
    closed.decompress(data + b"more")
    closed.flush()
    learned = zlib.compressobj(zdict=b"squared is")
    data = learned.compress(WHOLE) + learned.flush()
    knows = zlib.decompressobj(zdict=b"squared is")
    seen = knows.decompress(data[:1]), data[1:]
    return begun, (flushed, text), reading, (limited, few), (whole, closed), (knows, *seen), list(ended())


def check(made):
    begun, (flushed, text), reading, (limited, few), (whole, closed), (knows, seen, rest), over = made
    for compressor, first, cut, expected in begun:
        assert first + compressor.compress(WHOLE[cut:]) + compressor.flush() == expected, (compressor, cut)
    copy = flushed.copy()
    assert zlib.decompress(text + flushed.compress(WHOLE[9000:]) + flushed.flush()) == WHOLE
    assert zlib.decompress(text + copy.flush()) == WHOLE[:9000]
    for reader, first, left in reading:
        got = first
        while not reader.eof:
            got += reader.decompress(left)
            left = b""
        assert got == WHOLE, (reader, len(first), len(left))
    assert few + limited.decompress(limited.unconsumed_tail) + limited.flush() == WHOLE and limited.eof
    assert whole.eof and whole.unused_data == b"behind it" and closed.eof and closed.unused_data == b"more"
    assert seen + knows.decompress(rest) == WHOLE
    for each in over:
        try:
            each.compress(b"y")
            raise SystemExit("it has not ended")
        except (ValueError, zlib.error):
            pass
