"""The binding matrix: what may be done with a resource when the process that uses it moves, or is copied.

Terms and table after Fuggetta, Picco and Vigna (1998), section 3.3. A *binding* is how a process means a
resource: by identifier (this very one), by value (one with this content), by type (any of the kind). An
*attachment* is how the resource hangs on its node: unattached (can be carried), fastened (could be, at a
price), fixed (cannot be).

A *copy* leaves the original with its binding, so the two must be able to share: what the process does with the
resource (its *use*) decides. Two readers are no trouble, nor are two that append, whose writes the kernel puts one
behind the other. Two that write at places of their own would overwrite each other.

Guarantee (invariant 9): an action never weakens a binding. A table and two pure functions; asks nobody.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum


class Binding(StrEnum):
    IDENTIFIER = "identifier"
    VALUE = "value"
    TYPE = "type"


class Attachment(StrEnum):
    UNATTACHED = "unattached"
    FASTENED = "fastened"
    FIXED = "fixed"


class Action(StrEnum):
    """What happens to the binding."""

    MOVE = "move"  # the resource goes with the process
    COPY = "copy"  # its content does
    REFER = "refer"  # it stays; a relay makes it usable from afar
    REBIND = "rebind"  # the target has it too (the same one where the binding is by identifier)


class Use(StrEnum):
    """What a process does with a resource."""

    READ = "read"
    APPEND = "append"
    WRITE = "write"


# In the order of preference. REBIND of a binding by identifier needs the very same resource at the target (a
# file of a shared file system, say), which is for the caller to verify.
MATRIX: dict[tuple[Binding, Attachment], tuple[Action, ...]] = {
    (Binding.IDENTIFIER, Attachment.UNATTACHED): (Action.MOVE, Action.REBIND, Action.REFER),
    (Binding.IDENTIFIER, Attachment.FASTENED): (Action.REBIND, Action.REFER, Action.MOVE),
    (Binding.IDENTIFIER, Attachment.FIXED): (Action.REBIND, Action.REFER),
    (Binding.VALUE, Attachment.UNATTACHED): (Action.COPY, Action.MOVE, Action.REFER),
    (Binding.VALUE, Attachment.FASTENED): (Action.COPY, Action.REFER, Action.MOVE),
    (Binding.VALUE, Attachment.FIXED): (Action.REFER,),
    (Binding.TYPE, Attachment.UNATTACHED): (Action.REBIND, Action.MOVE, Action.COPY, Action.REFER),
    (Binding.TYPE, Attachment.FASTENED): (Action.REBIND, Action.REFER, Action.COPY, Action.MOVE),
    (Binding.TYPE, Attachment.FIXED): (Action.REBIND, Action.REFER),
}

# What a copy does. None: the two cannot share it, and the clone must be refused.
COPIES: dict[tuple[Binding, Use], Action | None] = {
    (Binding.IDENTIFIER, Use.READ): Action.REBIND,  # the same one, at an offset of its own
    (Binding.IDENTIFIER, Use.APPEND): Action.REBIND,
    (Binding.IDENTIFIER, Use.WRITE): None,
    (Binding.VALUE, Use.READ): Action.COPY,
    (Binding.VALUE, Use.APPEND): Action.COPY,
    (Binding.VALUE, Use.WRITE): Action.COPY,
    (Binding.TYPE, Use.READ): Action.REBIND,
    (Binding.TYPE, Use.APPEND): Action.REBIND,
    (Binding.TYPE, Use.WRITE): Action.REBIND,
}

# What a binding may become at a move: itself, or a stronger one.
_STRONGER: dict[Binding, frozenset[Binding]] = {
    Binding.IDENTIFIER: frozenset({Binding.IDENTIFIER}),
    Binding.VALUE: frozenset({Binding.VALUE, Binding.IDENTIFIER}),
    Binding.TYPE: frozenset(Binding),
}


def choose(binding: Binding, attachment: Attachment, possible: Collection[Action]) -> Action | None:
    """The best action among those that are possible here; None: the move must be refused."""
    return next((action for action in MATRIX[binding, attachment] if action in possible), None)


def copied(binding: Binding, use: Use) -> Action | None:
    """What a copy of the process does with the resource; None: the clone must be refused."""
    return COPIES[binding, use]


def may_become(before: Binding, after: Binding) -> bool:
    """Whether a binding may turn into another at a move."""
    return after in _STRONGER[before]
