from __future__ import annotations

import pytest

from sojourn.errors import UsageError
from sojourn.node.naming import checked, made_for


@pytest.mark.parametrize("name", ["a", "A-1_b", "my.prog", "9lives", "x" * 63])
def test_names(name: str) -> None:
    assert checked(name) == name


@pytest.mark.parametrize(
    "name", ["", ".a", "a.", "a..b", "-a", "a b", "a/b", "a*", "a>", "ü", "x" * 64, "a\n"]
)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(UsageError):
        checked(name)


@pytest.mark.parametrize("program", ["/x/run me.py", "a.b.c", "…", "", "-", "x" * 500])
def test_every_program_gets_a_name(program: str) -> None:
    assert checked(made_for(program))
    assert made_for(program) != made_for(program)
