"""Archives in memory, plain and compressed, with tarfile, gzip, bz2 and lzma."""

import io
import tarfile

import pyperf


def work():
    found = []
    for mode in ("w", "w:gz", "w:bz2", "w:xz"):
        whole = io.BytesIO()
        with tarfile.open(fileobj=whole, mode=mode) as archive:
            for n in range(20):
                member = tarfile.TarInfo(f"folder/file{n}")
                member.size = 40 * n
                archive.addfile(member, io.BytesIO(bytes([n]) * member.size))
        whole.seek(0)
        with tarfile.open(fileobj=whole) as archive:
            found.append([(each.name, sum(archive.extractfile(each).read())) for each in archive][-3:])
    return found


pyperf.Runner().bench_func("tarfile_memory", work)
