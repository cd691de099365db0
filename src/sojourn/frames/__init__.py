"""The frame engine: freezes a running, unmodified CPython program to a file and resumes it, with no cluster at all.

    python -m sojourn.frames run [--freeze-after SECONDS] --image FILE PROGRAM.py [ARGS...]
    python -m sojourn.frames resume FILE [--freeze-after SECONDS] [--image FILE]
    python -m sojourn.frames show FILE

and the same from Python: `api` (a host process's side: match, freeze_to, thaw_from) and `alone` (what the commands do).

The map. Frames: `layout` reads the interpreter's memory, `analyze` knows the stack of every instruction, `capture` and
`boundary` turn a running stack into records (`record`), `assemble` and `resume` turn records into callables,
`safepoint` finds the moment. Objects: `heap` writes and builds everything that is reachable, `world` says what differs
from freshly imported modules, `file` is the container on disk.

Standard library only; nothing here imports another room but `errors`.
"""
