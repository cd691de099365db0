from __future__ import annotations

from sojourn._util.ids import LENGTH, is_id, new_id


def test_ids_are_unique_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(2000)]
    assert len(set(ids)) == 2000
    assert all(len(one) == LENGTH and is_id(one) for one in ids)
    assert [one[:9] for one in ids] == sorted(one[:9] for one in ids)


def test_what_is_no_id() -> None:
    assert not is_id("../../../etc/passwd.")
    assert not is_id("")
    assert not is_id("I" * LENGTH)
