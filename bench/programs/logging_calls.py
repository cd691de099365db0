"""Log records formatted into a string, and records dropped by their level."""

import io
import logging
import time


def main(rounds=40_000):
    stream = io.StringIO()
    log = logging.getLogger("bench.logging")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    log.addHandler(handler)
    log.propagate = False
    log.setLevel(logging.WARNING)
    for number in range(rounds):
        log.warning("hundred %d of %s", number, "many")
        log.debug("dropped %d", number)
        log.info("dropped %s", number)
    return len(stream.getvalue())


if __name__ == "__main__":
    began = time.process_time()
    result = main()
    print(time.process_time() - began, result)
