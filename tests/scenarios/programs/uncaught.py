"""An exception nobody catches: traceback on stderr with the right lines, exit code 1."""


def outer(step):
    try:
        inner(step)
    except ZeroDivisionError as why:
        raise LookupError(f"at step {step}") from why


def inner(step):
    for _ in range(320_000):
        pass
    return 1 // (290 - step)


for step in range(300):
    outer(step)
