"""The world: what the library's modules hold, of which only what differs from a pristine import travels.

The map: `shapes` describes objects, `baseline` stores a pristine world, `matching` finds it in a living process and
notes what differs, `edit` turns differences into operations, `skip` lists what does not travel, `state` carries what
the interpreter keeps outside of modules.

At the source: `match(baseline)` once (off the downtime), `Match.recheck()` and `edits(match)` at the freeze. At the
target: `match(baseline)` and `Match.settle()` in a process that has imported the baseline's modules and run nothing,
then `apply(edits, match)`.
"""

from .baseline import Baseline, make_baseline
from .edit import apply, bare, caches, edits, referents
from .matching import Match, match

__all__ = ["Baseline", "Match", "apply", "bare", "caches", "edits", "make_baseline", "match", "referents"]
