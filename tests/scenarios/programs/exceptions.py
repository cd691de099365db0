"""Exceptions in flight: nested handlers, finally on every way out, causes, contexts, groups, notes."""

import sys
import traceback


def work():
    for _ in range(100_000):
        pass


def fail(step):
    try:
        work()
        raise ValueError(step)
    except ValueError as why:
        work()
        try:
            raise KeyError(step) from why
        except KeyError:
            work()
            assert isinstance(sys.exc_info()[1].__cause__, ValueError)
            if step % 3 == 0:
                raise
            if step % 3 == 1:
                raise RuntimeError("new") from None
        finally:
            work()
            trail.append(("finally", step, type(sys.exc_info()[1]).__name__))
        assert sys.exc_info()[1] is why
    finally:
        work()
    return step


trail, ends = [], []
for step in range(150):
    try:
        ends.append(fail(step))
    except (KeyError, RuntimeError) as why:
        work()
        why.add_note(f"note {step}")
        ends.append((type(why).__name__, type(why.__context__).__name__, why.__suppress_context__))
        last = why
    try:
        raise ExceptionGroup("both", [OSError(step), KeyError(step)])
    except* OSError as group:
        work()
        ends.append(len(group.exceptions))
    except* KeyError:
        work()
print(ends[:9], trail[-3:], len(trail), sys.exc_info())
print("".join(traceback.format_exception(last)).replace(__file__, "FILE"))
