"""In which order locks are taken: debug mode only.

A thread may take a lock with a rank only if it is higher than all that it holds; then no circle of waiting can come
about among such locks. And before a thread waits for any lock, the chain is followed: who has it, what that one waits
for, and so on. If it comes back to the thread, nobody of them would ever go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sojourn.errors import UsageError
from sojourn.threads.thread import Thread

if TYPE_CHECKING:
    from sojourn.threads.sync import Lock


class RankError(UsageError):
    """A lock is taken out of order."""

    code = "lock-rank"


class Deadlock(UsageError):
    """To wait here would be for ever; says who waits for whom."""

    code = "deadlock"


def circle(start: Any, owner_of: Any, waits_for: Any) -> list[tuple[Any, Any]]:
    """The chain lock, owner, lock, owner… from a lock on, if it comes back to a thread that is in it; else nothing."""
    chain: list[tuple[Any, Any]] = []
    lock = start
    while lock is not None and (owner := owner_of(lock)) is not None:
        if any(owner is earlier for _, earlier in chain):
            return chain
        chain.append((lock, owner))
        lock = waits_for(owner)
    return []


def before(lock: Lock, thread: Thread[Any]) -> None:
    """`thread` is about to take it."""
    held: Sequence[Lock] = held_by(thread)
    if lock.rank is not None:
        for other in held:
            if other.rank is not None and other.rank >= lock.rank:
                raise RankError(
                    f"{thread.name} takes {_name(lock)} of rank {lock.rank} while it holds "
                    f"{_name(other)} of rank {other.rank}",
                    advice="take locks in the order of their ranks",
                )

    def waits_for(owner: Thread[Any]) -> Any:
        if owner is thread:
            return lock
        wait = owner.wait
        source = wait.source if wait is not None and not wait.over else None
        return source if hasattr(source, "owner") else None

    def owner_of(each: Lock) -> Thread[Any] | None:
        return each.owner

    found = circle(lock, owner_of, waits_for)
    if any(owner is thread for _, owner in found):
        steps = [f"{owner.name} has {_name(each)}" for each, owner in found]
        raise Deadlock(
            f"{thread.name} would wait for {_name(lock)} for ever: " + ", ".join(steps),
            advice="take the locks in the same order everywhere; ranks check that",
            history=steps,
        )


def after(lock: Lock, thread: Thread[Any]) -> None:
    """It has it."""
    held_by(thread).append(lock)


def left(lock: Lock, thread: Thread[Any]) -> None:
    """It lets it go."""
    held = held_by(thread)
    if lock in held:
        held.remove(lock)


def held_by(thread: Thread[Any]) -> list[Lock]:
    if thread.local is None:
        thread.local = {}
    return thread.local.setdefault("locks held", [])


def _name(lock: Lock) -> str:
    return f"lock {lock.name}" if lock.name else f"lock {id(lock):#x}"
