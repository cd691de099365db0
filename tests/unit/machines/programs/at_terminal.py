"""What a program sees of its terminal."""

import os
import signal
import sys
import termios

for stream in (sys.stdin, sys.stdout, sys.stderr):
    print(stream.name, stream.mode, stream.encoding, stream.errors, stream.line_buffering, stream.isatty(),
          stream.write_through, os.isatty(stream.fileno()))  # fmt: skip
print(os.get_terminal_size(), os.environ["TERM"], os.path.exists(os.ttyname(0)))
print(os.getsid(0) == os.getpid() == os.getpgrp() == os.tcgetpgrp(0))
with open("/dev/tty", "w") as own:
    print("by name", own.isatty(), file=own)
print([bool(termios.tcgetattr(0)[3] & flag) for flag in (termios.ICANON, termios.ECHO, termios.ISIG)])
print(signal.getsignal(signal.SIGWINCH), signal.getsignal(signal.SIGINT) is signal.default_int_handler)
print(input("name? "), file=sys.stderr)
print(repr(sys.stdin.readline()), sys.stdin.read())
