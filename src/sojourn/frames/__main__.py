"""The engine's command line; see the package."""

from __future__ import annotations

import json
import sys

from sojourn.errors import SojournError, UsageError

from . import alone

_USAGE = """usage: python -m sojourn.frames run [--freeze-after SECONDS] --image FILE PROGRAM.py [ARGS...]
       python -m sojourn.frames resume FILE [--freeze-after SECONDS] [--image FILE]
       python -m sojourn.frames show FILE
"""


def _options(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Leading --name value pairs, and the rest."""
    found: dict[str, str] = {}
    while words and words[0] in ("--freeze-after", "--image"):
        if len(words) < 2:
            raise UsageError(f"{words[0]} needs a value", advice=_USAGE)
        found[words[0]], words = words[1], words[2:]
    return found, words


def main(words: list[str]) -> int:
    try:
        match words:
            case ["run", *rest]:
                options, rest = _options(rest)
                if not rest or "--image" not in options:
                    raise UsageError("run needs --image FILE and a program", advice=_USAGE)
                alone.run(rest[0], rest[1:], options["--image"], _seconds(options))
            case ["resume", image, *rest]:
                options, rest = _options(rest)
                if rest:
                    raise UsageError(f"resume does not know {rest[0]}", advice=_USAGE)
                alone.resume(image, options.get("--image"), _seconds(options))
            case ["show", image]:
                print(json.dumps(alone.show(image), indent=2))
            case _:
                raise UsageError("one of run, resume, show", advice=_USAGE)
    except SojournError as error:
        return alone.fail(error)
    return 0


def _seconds(options: dict[str, str]) -> float | None:
    try:
        return float(options["--freeze-after"]) if "--freeze-after" in options else None
    except ValueError:
        raise UsageError("--freeze-after needs a number of seconds") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
