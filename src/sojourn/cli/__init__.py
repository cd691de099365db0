"""The command line: `sojourn VERB`. It speaks to a cluster only through `sojourn.client`.

`main` holds the group and turns errors into one line; `processes` and `clusters` hold the commands;
`attached` is what `run` does while the program runs, `attaching` what `attach` and `run -t` do; `show` prints.

Guarantees. With `--json` stdout carries JSON and nothing else, an error as `{"error": …}`. A failed command
says what to do and exits non-zero: 2 for a wrong command line, 1 for everything else that is ours; `run` and
`wait` end with the program's own status. What is slow to import (rich, asyncio) is imported only by who needs
it, so that `sojourn ps` takes no longer than a bare interpreter needs for click and msgspec.
"""
