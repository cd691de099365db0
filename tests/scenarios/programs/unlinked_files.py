"""Files without a name: written, read, as text and unbuffered, opened twice; in memory; one that has spilled over."""

import os
import tempfile

plain = tempfile.TemporaryFile()
text = tempfile.TemporaryFile("w+", encoding="utf-16", newline="\r\n")
raw = tempfile.TemporaryFile(buffering=0)
spilled = tempfile.SpooledTemporaryFile(max_size=100)
small = tempfile.SpooledTemporaryFile(max_size=1 << 20, mode="w+")
named = tempfile.NamedTemporaryFile(dir=".", delete=False)
os.unlink(named.name)
memory = os.memfd_create("sojourn")
appending = os.open(f"/proc/self/fd/{memory}", os.O_WRONLY | os.O_APPEND)
twin = os.dup(memory)
os.write(memory, b"head ")
for step in range(300):
    plain.write(b"%d " % step)
    text.write(f"line {step}\n")
    raw.write(bytes([step % 256]))
    spilled.write(b"abc")
    small.write("x")
    named.write(b"n")
    os.write(appending, b"a")
    os.pwrite(memory, b"%03d" % step, 0)
    if step % 50 == 7:
        text.seek(0)
        assert text.readline() == "line 0\r\n"
        text.seek(0, 2)
    for _ in range(220_000):
        pass
plain.seek(10)
print(plain.read(20), plain.tell(), os.fstat(plain.fileno()).st_nlink)
text.seek(0)
print(len(text.readlines()), text.name if isinstance(text.name, str) else "no name")
print(raw.tell(), raw.seek(255), raw.read(), spilled.tell(), small.tell(), small._rolled, spilled._rolled)
named.flush()
print(os.fstat(named.fileno()).st_size, os.pread(memory, 20, 0), os.fstat(memory).st_size)
os.lseek(twin, 4, 0)
print(os.read(memory, 6))
