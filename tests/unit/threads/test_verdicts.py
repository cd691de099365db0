"""What the monitor makes of what it sees, without anything to look at."""

from __future__ import annotations

import pytest

from sojourn.threads.verdicts import Action, Offences, Rules, Sight, Verdict, act, call_name, judge

WORDS = frozenset({b"0x7f00"})
SLEEPS = b"230 0x1 0x0 0x7ffc 0x0 0x0 0x0 0x7ff 0x7fe"
WAITS_FOR_LOCK = b"202 0x7f00 0x189 0x0 0x0 0x0 0x0 0x7ff 0x7fe"
WAITS_FOR_OTHER = b"202 0x8000 0x189 0x0 0x0 0x0 0x0 0x7ff 0x7fe"
RUNS = b"running\n"


@pytest.mark.parametrize(
    ("call", "cpu", "late", "locked", "verdict"),
    [
        (SLEEPS, 0.0, 0.0, True, Verdict.BLOCKED),
        (SLEEPS, 0.0, 0.0, False, Verdict.BLOCKED),
        (SLEEPS, 0.009, 0.0, True, Verdict.BLOCKED),
        (WAITS_FOR_OTHER, 0.0, 0.0, True, Verdict.BLOCKED),
        (b"-1 0x7ff 0x7fe", 0.0, 0.0, True, Verdict.BLOCKED),
        (WAITS_FOR_LOCK, 0.009, 0.0, True, Verdict.COMPUTING),
        (WAITS_FOR_LOCK, 0.0, 0.0, True, Verdict.PREEMPTED),
        (RUNS, 0.009, 0.0, True, Verdict.RELEASED),
        (RUNS, 0.009, 0.0, False, Verdict.COMPUTING),
        (RUNS, 0.0, 0.0, True, Verdict.PREEMPTED),
        (RUNS, 0.0, 0.0, False, Verdict.PREEMPTED),
        (RUNS, None, 0.0, True, Verdict.RELEASED),
        (RUNS, 0.009, 0.005, True, Verdict.COMPUTING),
        (RUNS, 0.0, 0.005, True, Verdict.PREEMPTED),
        (None, 0.0, 0.0, True, Verdict.BLOCKED),
        (None, 0.009, 0.0, True, Verdict.RELEASED),
        (None, 0.009, 0.005, True, Verdict.COMPUTING),
        (None, 0.0, 0.005, True, Verdict.PREEMPTED),
        (None, 0.0, 0.005, False, Verdict.BLOCKED),
    ],
)
def test_verdict(call: bytes | None, cpu: float | None, late: float, locked: bool, verdict: Verdict) -> None:
    recent = None if cpu is None else cpu * 100
    assert judge(Sight(call, cpu, 0.01, recent, late), locked=locked, lock_words=WORDS) is verdict


def test_who_has_yet_to_come_to_a_processor_has_released_nothing() -> None:
    sight = Sight(RUNS, 0.005, 0.01, 0.0, 0.0)
    assert judge(sight, locked=True, lock_words=WORDS) is Verdict.PREEMPTED


@pytest.mark.parametrize(
    ("verdict", "wall", "computing", "action"),
    [
        (Verdict.BLOCKED, 0.001, 0, Action.HAND_OFF),
        (Verdict.RELEASED, 0.001, 9, Action.HAND_OFF),
        (Verdict.COMPUTING, 0.001, 0, Action.NOTHING),
        (Verdict.COMPUTING, 0.02, 0, Action.PREEMPT),
        (Verdict.COMPUTING, 0.02, 2, Action.NOTHING),
        (Verdict.PREEMPTED, 5.0, 0, Action.NOTHING),
    ],
)
def test_action(verdict: Verdict, wall: float, computing: int, action: Action) -> None:
    assert act(verdict, wall, computing, 2, Rules(slice=0.01)) is action


def test_who_blocks_again_soon_is_an_offender() -> None:
    rules, offences = Rules(pin_after=2, offence=1.0), Offences()
    assert not offences.caught(10.0, rules)
    assert not offences.caught(11.5, rules)  # too long ago to count
    assert offences.caught(12.0, rules)


@pytest.mark.parametrize(
    ("call", "machine", "name"),
    [
        (SLEEPS, "x86_64", "clock_nanosleep"),
        (SLEEPS, "aarch64", "system call 230"),
        (RUNS, "x86_64", ""),
        (None, "x86_64", ""),
    ],
)
def test_names_of_calls(call: bytes | None, machine: str, name: str) -> None:
    assert call_name(call, machine) == name
