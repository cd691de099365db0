# pyright: basic
# (objects of any type)
"""What a dump or a load over a world needs and can be made ahead of it.

Theory. Both halves begin with a memo that knows the constructors and the pristine world. Filling it takes longer than
dumping a small program; and in a process that was forked from a warm template, merely counting a reference to each
object of the world copies most of the template's pages. So a template makes, before it forks, one dumper and one loader
with a full memo; a process uses each once. Later dumps copy a memo that is kept for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from . import registry, table
from .dumper import Dumper, Preset
from .loader import Loader

if TYPE_CHECKING:
    from sojourn.frames.world import Match


_WORTH = 4  # so many entries are forgotten in the time that one page is copied


class Prepared:
    """One world's memos. Valid until the world binds further objects or the table grows."""

    def __init__(self, world: Match | None) -> None:
        self.key = _key(world)
        self.names = table.written(registry.TABLE)
        worldly = world.objects() if world is not None else []
        self.worldly = len(worldly)
        self.things = [*registry.TABLE.values(), *worldly]
        self.size = len(self.things)
        absent = world.missing() if world is not None else set[int]()
        self.missing = {len(registry.TABLE) + each for each in absent}
        self._preset: Preset | None = None
        self._dumper: Dumper | None = None
        self._loader: Loader | None = None
        self._spent: list[Loader] = []

    def ahead(self) -> None:
        """Make a dumper and a loader to be used later."""
        if self._dumper is None:
            self._dumper = Dumper(self.preset)
        if self._loader is None and not self.missing:
            self._loader = Loader(self.things)

    @property
    def preset(self) -> Preset:
        if self._preset is None:
            self._preset = Preset(self.things, BytesIO())
        return self._preset

    def dumper(self) -> Dumper:
        made, self._dumper = self._dumper, None
        return made or Dumper(self.preset)

    def loader(self, head_room: int) -> Loader:
        """`head_room`: a number that no index of the image's own memo reaches."""
        made, self._loader = self._loader, None
        return made or Loader(self.things, self.missing, head_room)

    def foreign_loader(self, listed: Sequence[str], head_room: int) -> Loader:
        """For an image with another table than ours. What we do not have is missing, and refused when it is used."""
        ours = registry.TABLE
        absent = {place for place, name in enumerate(listed) if name not in ours}
        absent.update(len(listed) + place - len(ours) for place in self.missing)
        things = [*map(ours.get, listed), *self.things[len(ours) :]]
        return Loader(things, absent, head_room)

    def keep(self, loader: Loader) -> None:
        """Keep a spent loader rather than drop it, if that is cheaper (see `Loader.forget`)."""
        if not self.missing and loader.forget(self.size, _WORTH * self.size):
            self._spent.append(loader)


def _key(world: Match | None) -> tuple[int, int]:
    return len(registry.TABLE), len(world.index) if world is not None else 0


def prepared(world: Match | None) -> Prepared:
    """What is prepared for this world, made now if need be."""
    if world is None:
        return Prepared(None)
    kept = world.prepared
    if not isinstance(kept, Prepared) or kept.key != _key(world):
        kept = world.prepared = Prepared(world)
    return kept
