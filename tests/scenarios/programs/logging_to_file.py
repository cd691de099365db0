"""Logging: levels, filters, a FileHandler in the middle of its file, a handler on stderr."""

import logging
import sys

logging.basicConfig(filename="run.log", level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
console = logging.StreamHandler(sys.stderr)
console.setLevel(logging.WARNING)
logging.getLogger().addHandler(console)
quiet = logging.getLogger("engine.quiet")
quiet.addFilter(lambda record: record.args[0] % 2 == 0)
logging.addLevelName(25, "NOTICE")
for step in range(300):
    quiet.info("step %d", step)
    if step % 100 == 50:
        logging.getLogger("engine").warning("warned at %d", step)
    logging.getLogger("engine").log(25, "noticed %d", step)
    for _ in range(240_000):
        pass
logging.shutdown()
with open("run.log") as written:
    lines = written.read().splitlines()
print(len(lines), lines[0], lines[-1], logging.getLevelName(25))
