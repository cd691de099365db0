from __future__ import annotations

from pathlib import Path

import pytest

from sojourn.model.drawing import SIDES, page


@pytest.mark.parametrize("of", SIDES)
def test_the_page_tells_what_the_tables_say(of: str) -> None:
    name = f"the-{of}-cell-by-cell.md"
    drawn = Path(__file__).parents[3] / "docs" / name
    assert drawn.read_text() == page(of), f"python -m sojourn.model.drawing {of} > docs/{name}"
