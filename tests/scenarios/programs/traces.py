"""Lines, names and locals that tracebacks and introspection show, taken before and after a move."""

import inspect
import sys
import traceback


def where():
    frame = sys._getframe(1)
    return frame.f_code.co_name, frame.f_lineno, sorted(frame.f_locals)[:3]


class Thing:
    def method(self, step):
        seen = [where()]
        for _ in range(240_000):
            pass
        seen.append(where())
        stack = [(entry.name, entry.lineno, entry.line) for entry in traceback.extract_stack()]
        return seen, stack, [frame.function for frame in inspect.stack()]


results = {repr(Thing().method(0)) for step in range(250)}
print(len(results), *results)
