"""Who somebody is that comes out of an image: the process that was frozen, its heir, or a copy. A table, no I/O.

An image can be thawed many times, a process can run only once. So the registry decides. Where it still has the process
as frozen *by this very freeze*, and nobody asks for another name, the process itself goes on, with its identity and the
next epoch, and the compare-and-set of that epoch admits one of several who try. Where it knows neither the process nor
its name (the cluster was ended since, or is another one, or the process was removed), an heir goes on: a new identity,
since nobody here can know whether the process runs somewhere, and everything else as it was. What is given another name
is a copy: a new identity, fresh randomness, and no files that two processes cannot share.

| the registry has, under the wanted name | no name asked for | a name asked for |
|---|---|---|
| the process, frozen by this freeze | itself | itself, if it is its name |
| the process, in any other state | taken: it goes on already, or was frozen again since | taken |
| another process | taken | taken |
| nothing | an heir | a copy |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sojourn.errors import NameTaken
from sojourn.model.process import State


class Who(Enum):
    ITSELF = "the process itself"
    HEIR = "one who goes on in its place"
    COPY = "a copy of it"


@dataclass(frozen=True)
class Image:
    """What an image says of the process in it."""

    image: str  # the id of the freeze
    id: str
    name: str


@dataclass(frozen=True)
class Found:
    """What the registry has under the name that is wanted."""

    id: str
    name: str
    state: State
    image: str  # the freeze it rests in, or ""


def who(image: Image, found: Found | None, *, asked: str | None) -> Who:
    """Who comes out of `image` under the name `asked`, or the image's own. Raises NameTaken with the way out."""
    if found is None:
        return Who.HEIR if asked is None else Who.COPY
    same = found.id == image.id
    if same and asked in (None, found.name) and found.state is State.FROZEN and found.image == image.image:
        return Who.ITSELF
    why = f"{found.name} is another process"
    if same and found.state is State.FROZEN:
        why = f"{found.name} was frozen again since, into another image"
    elif same:
        why = f"{found.name} is {found.state.value}: it has been thawed already"
        if found.state in (State.ENDED, State.LOST):
            why = f"{found.name} went on from here and is {found.state.value}; `sojourn rm` frees its name"
    raise NameTaken(
        why, advice="`--name` gives a copy a name of its own", details={"name": found.name, "id": found.id}
    )
