"""Handlers written in Python, ignored and default signals, and one sent to the program by itself at every
step.
"""

import signal

got = []


def handler(number, frame):
    got.append((number, frame.f_code.co_name))


signal.signal(signal.SIGUSR1, handler)
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
signal.signal(signal.SIGTERM, lambda number, frame: got.append("term"))
old = signal.signal(signal.SIGWINCH, handler)
for step in range(300):
    signal.raise_signal(signal.SIGUSR1)  # a number from `os.getpid` is another process's after a move
    if step % 50 == 0:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGUSR2)
    for _ in range(240_000):
        pass
print(len(got), got.count("term"), got[0], signal.getsignal(signal.SIGUSR2), old)
print(
    signal.getsignal(signal.SIGWINCH) is handler,
    signal.getsignal(signal.SIGINT) is signal.default_int_handler,
)
