"""Archives in memory, with zipfile, zlib and binascii."""

import io
import zipfile

import pyperf


def work():
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(30):
            archive.writestr(zipfile.ZipInfo(f"f{n}", (2024, 1, 1, 0, 0, 0)), f"content {n} " * 20 * n)
    with zipfile.ZipFile(whole) as archive:
        return archive.testzip(), [
            (each.filename, each.CRC, len(archive.read(each))) for each in archive.infolist()
        ][-3:]


pyperf.Runner().bench_func("zipfile_memory", work)
