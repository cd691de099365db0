from __future__ import annotations

import itertools

import pytest

from sojourn.model.binding import COPIES, MATRIX, Action, Attachment, Binding, Use, choose, copied, may_become


def test_every_cell_is_there_and_no_cell_weakens() -> None:
    assert set(MATRIX) == set(itertools.product(Binding, Attachment))
    for (binding, attachment), actions in MATRIX.items():
        assert len(set(actions)) == len(actions) > 0
        if binding is Binding.IDENTIFIER:
            assert Action.COPY not in actions  # a copy is another resource
        if binding is Binding.VALUE:
            assert Action.REBIND not in actions  # another of the kind has another content
        if attachment is Attachment.FIXED:
            assert Action.MOVE not in actions


@pytest.mark.parametrize("binding", Binding)
@pytest.mark.parametrize("attachment", Attachment)
def test_choose_prefers_and_refuses(binding: Binding, attachment: Attachment) -> None:
    assert choose(binding, attachment, set(Action)) is MATRIX[binding, attachment][0]
    assert choose(binding, attachment, set()) is None


def test_bindings_only_grow_stronger() -> None:
    assert may_become(Binding.VALUE, Binding.IDENTIFIER)
    assert not may_become(Binding.IDENTIFIER, Binding.VALUE)
    assert all(may_become(Binding.TYPE, after) for after in Binding)


def test_copies_share_what_they_can_and_nothing_weakens() -> None:
    assert set(COPIES) == set(itertools.product(Binding, Use))
    for (binding, use), action in COPIES.items():
        if action is None:
            assert (binding, use) == (Binding.IDENTIFIER, Use.WRITE)
        elif binding is Binding.IDENTIFIER:
            assert action is Action.REBIND  # the same one: a copy of its content would be another
        assert copied(binding, use) is action
