# ruff: noqa
"""Prints everything of its surroundings that a program can see."""

import sys

# The one difference that is known and stated: copyreg is there from the start.
print("modules", [name for name in sys.modules if name != "copyreg"])
print("importers", list(sys.path_importer_cache))
print("flags", sys.flags, sys._xoptions, sys.warnoptions)
print("globals", {name: type(value) if name.startswith("__l") else value for name, value in dict(globals()).items()})
import __main__

print("main", type(__main__.__loader__), __main__.__loader__.name, __main__.__loader__.path, __main__.__spec__)
print("argv", sys.argv, sys.orig_argv, sys.path, sys.executable, sys.prefix)
print("hooks", sys.excepthook, sys.displayhook, sys.meta_path, sys.path_hooks, sys.gettrace(), sys.getprofile())
print("streams", sys.stdin, sys.stdout, sys.stderr, sys.stdout.buffer, sys.stdout.line_buffering, sys.stdin.errors)
print("encodings", sys.getfilesystemencoding(), sys.stdout.encoding, sys.stdout.errors, sys.stderr.errors)

import gc
import os
import signal
import time

print("gc", gc.get_threshold(), gc.isenabled(), gc.get_debug(), gc.callbacks)
print("environment", list(os.environ.items()))
print("descriptors", sorted(int(fd) for fd in os.listdir("/proc/self/fd") if int(fd) < 1000))
print("process", os.getcwd(), oct(os.umask(0)), os.getpgrp() == os.getsid(0), os.getpriority(0, 0), time.tzname)
print("comm", open("/proc/self/comm").read())
# SIGURG is how a node asks for a freeze: stated too.
print("signals", [(n, signal.getsignal(n)) for n in signal.valid_signals() if n != signal.SIGURG])
print("masked", signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.getitimer(signal.ITIMER_REAL))

import atexit
import codecs
import encodings
import inspect
import locale
import site
import threading
import traceback
import warnings
import zipimport

print("threads", [thread.name for thread in threading.enumerate()], len(sys._current_frames()))
print("locale", locale.getlocale(), locale.setlocale(locale.LC_ALL))
print("atexit", atexit._ncallbacks())
print("zips", list(zipimport._zip_directory_cache))
print("limits", sys.getrecursionlimit(), sys.getswitchinterval())
for module in (sys, __import__("builtins"), os, encodings, codecs, site, signal):
    print("names", module.__name__, sorted(vars(module)))
for entry in warnings.filters:
    print("filter", entry)


def depth(level=0):
    try:
        return depth(level + 1)
    except RecursionError:
        return level


print("depth", depth(), len(inspect.stack()))
traceback.print_stack()
try:
    warnings.warn("above everything", stacklevel=9)
except UserWarning as warning:
    print("raised", warning)

import copyreg
import re
import subprocess

print("registered", len(copyreg.dispatch_table), re.match("a", "a"))
child = "import os, sys; print(sorted(os.environ.items()), sys.path, sorted(os.listdir('/proc/self/fd')))"
print("child", subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout)
print("input", sys.stdin.read())
