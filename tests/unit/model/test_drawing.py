from __future__ import annotations

from pathlib import Path

from sojourn.model.drawing import page


def test_the_page_tells_what_the_tables_say() -> None:
    drawn = Path(__file__).parents[3] / "docs" / "the-move-cell-by-cell.md"
    assert drawn.read_text() == page(), "python -m sojourn.model.drawing > docs/the-move-cell-by-cell.md"
