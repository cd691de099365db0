"""A tree of loggers with filters, adapters and formats, with logging."""

import io
import logging

import pyperf


def work():
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("{levelname}:{name}:{message}", style="{"))
    root = logging.Logger("root")
    root.addHandler(handler)
    manager = logging.Manager(root)
    handler.addFilter(lambda record: "skip" not in record.getMessage())
    for n in range(60):
        logger = manager.getLogger(f"a.b{n % 5}.c")
        logging.LoggerAdapter(logger, {"n": n}).warning("message %d %s", n, "skip" if n % 7 == 0 else "keep")
        try:
            raise KeyError(n)
        except KeyError:
            logger.error("failed", exc_info=n == 59 and None)
    return out.getvalue()[-400:], sorted(manager.loggerDict)


pyperf.Runner().bench_func("logging_tree", work)
