"""Pipes inside of the process: what is in them, ends that are closed or doubled, how they were opened."""

import fcntl
import os

reading, writing = os.pipe()
again = os.dup(writing)
unread, closed = os.pipe()
os.write(closed, b"the rest")
os.close(closed)
deaf, telling = os.pipe()
os.close(deaf)
os.set_blocking(reading, False)
kept = fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 1 << 17)
file = open(os.dup(reading), "rb", buffering=0)
sent = received = b""
for step in range(900):
    piece = b"%d " % step
    os.write(writing if step % 2 else again, piece)
    sent += piece
    if step % 3 == 2:
        received += os.read(reading, 7) if step % 2 else file.read(7)
    for _ in range(25_000):
        pass
while True:
    try:
        received += os.read(reading, 999)
    except BlockingIOError:
        break
print(received == sent, len(sent), fcntl.fcntl(reading, fcntl.F_GETPIPE_SZ) == kept, os.get_blocking(writing))
print(os.read(unread, 99), os.read(unread, 99), reading, writing, again, file.fileno(), os.get_inheritable(reading))
try:
    os.write(telling, b"x")
except BrokenPipeError as error:
    print(error)
