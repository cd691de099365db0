# ruff: noqa
"""Forks: the child must be an ordinary child."""

import os
import signal
import sys

pid = os.fork()
if not pid:
    print("child", signal.getsignal(signal.SIGURG), sorted(int(f) for f in os.listdir("/proc/self/fd"))[:4])
    sys.exit(5)
print("parent", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
