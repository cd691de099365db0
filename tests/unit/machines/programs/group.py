# ruff: noqa
"""Ends by an exception group with notes, raised in a comprehension."""


def each(number):
    error = ValueError(number)
    error.add_note(f"note {number}")
    return error


raise ExceptionGroup("several", [each(number) for number in range(3)])
