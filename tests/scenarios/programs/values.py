"""Values of the standard library that hold state in C."""

import array
import collections
import datetime
import fractions
import io
import struct
import types
import uuid

buffer, text = io.BytesIO(b"0123456789" * 50), io.StringIO("line\n" * 400)
numbers = array.array("d", range(100))
window = collections.deque(maxlen=7)
counts = collections.Counter()
layers = collections.ChainMap({}, {"base": 1})
default = collections.defaultdict(list)
ordered = collections.OrderedDict.fromkeys("abcdef")
raw = bytearray(64)
large = bytearray(range(256)) * (5 << 10)  # its memory travels apart from the rest
view = memoryview(raw)[8:32]
space = types.SimpleNamespace(total=fractions.Fraction())
when = datetime.datetime(2024, 2, 28, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=2), "here"))
for step in range(250):
    buffer.seek(step)
    line = text.readline()
    numbers[step % 100] += step
    window.append(step)
    counts[step % 9] += 1
    layers[step] = line
    default[step % 4].append(step)
    ordered.move_to_end("abcdef"[step % 6])
    struct.pack_into("<H", view, step % 20, step)
    space.total += fractions.Fraction(step, 7)
    when += datetime.timedelta(hours=step)
    large += bytes([step]) * 1000
    del large[:500]
    for _ in range(260_000):
        pass
print(buffer.read(5), text.tell(), sum(numbers), list(window), window.maxlen, counts.most_common(2))
print(
    len(layers), len(default[3]), list(ordered), bytes(raw[:12]), view.tobytes()[-4:], space, when.isoformat()
)
print(len(large), large[0], sum(large))
print(
    uuid.UUID(int=step),
    mapping := types.MappingProxyType({"a": 1}),
    complex(1, 2),
    slice(1, None, 2),
    range(3),
)
