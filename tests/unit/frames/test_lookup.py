"""Courses: what they call things."""

from __future__ import annotations

from sojourn.frames.lookup import names_of, type_name


def test_a_class_is_named_whatever_its_module_says() -> None:
    """The class of Cython's functions has a descriptor in the module's place; a program may put anything there."""

    class Odd:
        pass

    assert type_name(Odd) == f"{__name__}.{Odd.__qualname__}"
    Odd.__module__ = Odd.__dict__["__weakref__"]
    assert names_of(Odd) == ["", Odd.__qualname__]
    assert type_name(Odd) == Odd.__qualname__
