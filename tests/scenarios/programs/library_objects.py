"""Objects of the library's extension modules in the middle of their work: tables, scanners, queues, folders."""

import csv
import functools
import io
import itertools
import json
import os
import queue
import re
import struct
import tempfile
import threading
from collections import OrderedDict

source = "\n".join(f"{number},name {number},{number * 7 % 13}" for number in range(400))
readers = csv.reader(io.StringIO(source)), csv.DictReader(io.StringIO(source), ["a", "b", "c"], dialect="unix")
written = io.StringIO()
writer = csv.writer(written, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="|")
rows = csv.DictWriter(written, ["a", "b"], extrasaction="ignore")
words = re.finditer(r"\b(\w*?)(\d*)\b", source)
more = re.compile(rb"[a-z]*").finditer(source.encode())
pairs = itertools.pairwise(itertools.count(3))
batched = itertools.batched(itertools.count(), 3) if hasattr(itertools, "batched") else iter(list, None)
decoder = json.JSONDecoder(parse_float=str)
header = struct.Struct("<IH")
jobs = queue.SimpleQueue()
order = functools.cmp_to_key(lambda a, b: (a % 10 > b % 10) - (a % 10 < b % 10))
biggest = order(3)
ordered = OrderedDict((key, key * key) for key in range(50))
values, items = ordered.values(), ordered.items()


class Mine(threading.local):
    def __init__(self, start, *, step):
        self.total = start
        self.step = step


local, plain = Mine(5, step=3), threading.local()
plain.seen = []

with tempfile.TemporaryDirectory() as folder:
    for name in ("a", "b", "c/d", "c/e"):
        os.makedirs(os.path.join(folder, name))
        open(os.path.join(folder, name, "file"), "w").close()
    found = []
    for at, folders, files in os.walk(folder):
        folders.sort()
        found.append((os.path.relpath(at, folder), folders, files))
        for step in range(18):
            writer.writerow(next(readers[0]))
            rows.writerow(next(readers[1]))
            plain.seen.append((next(words).groups(), next(more).span(), next(pairs), next(batched)))
            jobs.put(step)
            if step % 3:
                local.total += jobs.get() * local.step
            if order(step) > biggest:
                biggest = order(step)
            plain.seen.append(decoder.decode('{"a": [1.5, %d]}' % step))
            plain.seen.append(header.pack(step, len(files)))
            ordered.move_to_end(step)
            for _ in range(500_000):
                pass
print(found)
print(len(written.getvalue()), hash(written.getvalue()), readers[0].line_num, readers[1].line_num)
print(hash(str(plain.seen)), local.total, local.step, jobs.qsize(), jobs.get(), biggest.obj)
print(list(values)[-3:], list(items)[:3], next(words), next(more))
