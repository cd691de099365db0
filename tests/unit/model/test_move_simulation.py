"""The move under random faults: the two tables, a registry, a network and leases, all in memory and all
unreliable.

The world can lose and delay messages, cut the connection, lose the answers to writes, let writes land late,
keep a node from the registry for any time, let a node's clock run on, fail each instruction, and crash
nodes. After every step: at most one copy runs. At the end, when the world has become kind: exactly one copy
runs if nobody crashed and no host died; the record names its node; no copy is left over.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from sojourn.model.lease import Observer, Tenancy, Terms
from sojourn.model.move import OUTCOMES, Do, On, Source, Target, step

TERMS = Terms(15.0)
A, B = "a", "b"


@dataclass(frozen=True)
class Record:
    owner: str
    epoch: int
    state: str  # running, moving
    move: int


@dataclass
class Registry:
    record: Record
    revision: int = 1

    def cas(self, revision: int, record: Record) -> bool:
        if revision != self.revision:
            return False
        self.record, self.revision = record, revision + 1
        return True


@dataclass
class Copy:
    """A copy of the process on a node: absent, stopped or running."""

    exists: bool = False
    running: bool = False


@dataclass
class Attempt:
    """One move from a to b: both machines and what lies between them."""

    number: int
    epoch: int  # E
    marked: int  # R
    source: Source = Source.OFFERING
    target: Target | None = None
    copy: Copy = field(default_factory=Copy)
    ready_at: float = 0.0
    to_source: list[On] = field(default_factory=list)
    to_target: list[On] = field(default_factory=list)
    cut: bool = False
    watching: bool = False


class World:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.registry = Registry(Record(A, 1, "running", 0))
        self.reach = {A: True, B: True}
        self.alive = {A: True, B: True}
        self.ours = Copy(True, True)  # the copy at a
        self.lease_of_b: float | None = 0.0  # when the registry last heard from b
        self.tenancy = Tenancy(TERMS, 0.0)
        self.sound_since = 0.0  # since when b's lease has never lapsed
        self.observer = Observer.at(TERMS, 0.0)
        self.attempts: list[Attempt] = []
        self.pending: list[Callable[[], None]] = []  # what may happen next, in any order
        self.late: list[Callable[[], None]] = []  # writes that will still land
        self.kind = False
        self.died = False  # a node crashed or a copy died: the process may be gone
        self.story: list[str] = []

    # -- stimuli ---------------------------------------------------------------------------------

    def give(self, attempt: Attempt, state: Source | Target | None, on: On) -> None:
        """Feed one machine and carry out what it says."""
        if state is None or state in OUTCOMES:
            return
        node = A if isinstance(state, Source) else B
        if not self.alive[node]:
            return
        after, instructions = step(state, on)
        todo = ", ".join(do.name for do in instructions)
        self.story.append(
            f"{self.now:5.1f} #{attempt.number} {state.name} + {on.name} -> {after.name}: {todo}"
        )
        if isinstance(after, Source):
            attempt.source = after
            attempt.watching = attempt.watching and after is Source.WAITING
        else:
            assert isinstance(after, Target)
            attempt.target = after
        for do in instructions:
            self.do(attempt, node, do)
        if after in OUTCOMES and not attempt.cut:  # whoever is done closes the connection
            (attempt.to_target if node == A else attempt.to_source).append(On.CUT)
        self.check()

    def at_source(self, attempt: Attempt, on: On) -> None:
        self.give(attempt, attempt.source, on)

    def at_target(self, attempt: Attempt, on: On) -> None:
        self.give(attempt, attempt.target, on)

    def reply(self, attempt: Attempt, node: str, on: On) -> None:
        """An answer that arrives some time, unless the node crashed."""
        give = self.at_source if node == A else self.at_target
        self.pending.append(lambda: give(attempt, on))

    def check(self) -> None:
        running = self.ours.running + sum(attempt.copy.running for attempt in self.attempts)
        assert running <= 1, "two copies run"

    # -- instructions ----------------------------------------------------------------------------

    def fails(self, chance: float) -> bool:
        return not self.kind and self.random.random() < chance

    def say(self, attempt: Attempt, to: str, message: On) -> None:
        if not attempt.cut:
            (attempt.to_source if to == A else attempt.to_target).append(message)
        elif to == B:
            self.reply(attempt, A, On.CUT)
        else:
            self.reply(attempt, B, On.CUT)

    def write(self, attempt: Attempt, node: str, revision: int, record: Record) -> None:
        def land() -> bool:
            won = self.registry.cas(revision, record)
            self.story.append(
                f"{self.now:5.1f} #{attempt.number} {node} writes {record} on {revision}: {won}"
            )
            return won

        if not self.reach[node] or self.fails(0.25):
            if self.random.random() < 0.7:
                self.late.append(lambda: land() and None)
            self.reply(attempt, node, On.UNANSWERED)
            return

        def now() -> None:
            won = land()
            answered = not self.fails(0.2)
            self.reply(attempt, node, (On.WON if won else On.BEATEN) if answered else On.UNANSWERED)

        self.pending.append(now)

    def read(self, attempt: Attempt, node: str) -> None:
        def now() -> None:
            if not self.reach[node] or self.fails(0.2):
                self.reply(attempt, node, On.UNANSWERED)
                return
            self.reply(attempt, node, self.seen_by(attempt, node))

        self.pending.append(now)

    def seen_by(self, attempt: Attempt, node: str) -> On:
        record = self.registry.record
        if node == A:
            if record.owner == A:
                return On.OURS
            if record.move != attempt.number or record.epoch != attempt.epoch + 1:
                return On.OTHERS
            return On.THEIRS if record.state == "moving" else On.CONFIRMED
        if record.owner != B or record.move != attempt.number or record.epoch != attempt.epoch + 1:
            return On.OTHERS
        return On.OURS if record.state == "moving" else On.CONFIRMED

    def do(self, attempt: Attempt, node: str, do: Do) -> None:
        commit = Record(B, attempt.epoch + 1, "moving", attempt.number)
        abort = Record(A, attempt.epoch + 1, "running", attempt.number)
        back = Record(A, attempt.epoch + 2, "running", attempt.number)
        committed = attempt.marked + 1  # C
        match do:
            case Do.SHIP:
                self.reply(attempt, A, On.SHIPPED)
            case Do.FREEZE:

                def freeze() -> None:
                    if attempt.source not in (Source.FREEZING, Source.UNWINDING) or not self.ours.exists:
                        return
                    if self.fails(0.1):
                        self.at_source(attempt, On.CANNOT_FREEZE)
                    else:
                        self.ours.running = False
                        self.at_source(attempt, On.FROZEN)

                self.pending.append(freeze)
            case Do.SEND:
                self.say(attempt, B, On.IMAGE if not self.fails(0.05) else On.BAD_IMAGE)
            case Do.COMMIT:
                self.write(attempt, A, attempt.marked, commit)
            case Do.ABORT_RECORD:
                self.write(attempt, node, attempt.marked, abort)
            case Do.TAKE_BACK:
                self.write(attempt, A, committed, back)
            case Do.CONFIRM:
                self.write(attempt, B, committed, replace(commit, state="running"))
            case Do.RETURN:
                self.write(attempt, B, committed, back)
            case Do.READ:
                self.read(attempt, node)
            case Do.WATCH:
                attempt.watching = True
            case Do.UNMARK:
                self.pending.append(self.unmark)
            case Do.PUBLISH:
                self.pending.append(lambda: self.publish(attempt))
            case Do.UNFREEZE:
                self.ours.running = self.ours.exists
            case Do.RETIRE:
                self.ours = Copy()
            case Do.TELL_GO:
                self.say(attempt, B, On.GO)
                self.reply(attempt, A, On.DEADLINE)  # the source waits so long for an answer, and no longer
            case Do.TELL_ABORT:
                self.say(attempt, B, On.ABORT)
            case Do.TELL_RETIRED:
                self.say(attempt, B, On.RETIRED)
            case Do.TELL_ACCEPTED:
                self.say(attempt, A, On.ACCEPTED)
            case Do.TELL_REFUSED:
                self.say(attempt, A, On.REFUSED)
            case Do.TELL_FAILED:
                self.say(attempt, A, On.FAILED)
            case Do.TELL_READY:
                attempt.ready_at = self.now
                self.say(attempt, A, On.READY)
            case Do.TELL_RUNNING:
                self.say(attempt, A, On.RUNNING)
            case Do.TELL_RETURNED:
                self.say(attempt, A, On.RETURNED)
            case Do.THAW:
                attempt.copy = Copy(True)
                self.reply(attempt, B, On.CANNOT_THAW if self.fails(0.1) else On.THAWED)
            case Do.START:

                def start() -> None:
                    if attempt.target not in (Target.STARTING, Target.CLAIMED):
                        return
                    # The daemon starts a copy and sees that it runs in one breath; what it may not do is to
                    # start one when its lease lapsed while the order lay around.
                    fresh = not self.tenancy.lapsed(self.now) and self.sound_since <= attempt.ready_at
                    if (
                        not attempt.copy.exists
                        or (attempt.target is Target.STARTING and not fresh)
                        or self.fails(0.05)
                    ):
                        self.died |= attempt.target is Target.CLAIMED
                        attempt.copy = Copy()
                        self.at_target(attempt, On.CANNOT_START)
                    else:
                        attempt.copy.running = True
                        self.at_target(attempt, On.STARTED)

                self.pending.append(start)
            case Do.DISCARD:
                attempt.copy = Copy()
            case Do.SUSPEND:
                attempt.copy.running = False
            case Do.RESUME:
                attempt.copy.running = attempt.copy.exists
            case Do.TELL_HELD | Do.ARM_PATIENCE:
                pass

    def unmark(self) -> None:
        """The owner's own bookkeeping after an abort: bring the record up to date, again and again."""
        record = self.registry.record
        if not self.alive[A] or record.owner != A or record.state == "running":
            return
        if self.reach[A]:
            self.registry.cas(self.registry.revision, replace(record, state="running"))
        else:
            self.pending.append(self.unmark)

    def publish(self, attempt: Attempt) -> None:
        record = self.registry.record
        if (
            not self.alive[B]
            or record.owner != B
            or record.move != attempt.number
            or record.state == "running"
        ):
            return
        if self.reach[B]:
            self.registry.cas(self.registry.revision, replace(record, state="running"))
        else:
            self.pending.append(lambda: self.publish(attempt))

    # -- the world's own moves -------------------------------------------------------------------

    def begin(self) -> None:
        record = self.registry.record
        previous = self.attempts[-1] if self.attempts else None
        if (previous and previous.source not in OUTCOMES) or not all(self.alive.values()):
            return
        if record.owner != A or record.state != "running" or not self.ours.running or not self.reach[A]:
            return
        number = len(self.attempts) + 1
        self.registry.cas(self.registry.revision, Record(A, record.epoch, "moving", number))
        attempt = Attempt(number, record.epoch, self.registry.revision, target=Target.PREPARING)
        self.attempts.append(attempt)
        self.story.append(
            f"{self.now:5.1f} #{number} begins at epoch {record.epoch}, revision {attempt.marked}"
        )
        self.reply(attempt, B, On.CANNOT_PREPARE if self.fails(0.05) else On.PREPARED)

    def deliver(self, attempt: Attempt) -> None:
        queues = [q for q in (attempt.to_source, attempt.to_target) if q]
        if not queues:
            return
        queue = self.random.choice(queues)
        message = queue.pop(0)
        if queue is attempt.to_source:
            self.at_source(attempt, message)
        else:
            lapsed = self.tenancy.lapsed(self.now) or self.sound_since > attempt.ready_at
            self.at_target(attempt, On.LATE_GO if message is On.GO and lapsed else message)

    def cut(self, attempt: Attempt) -> None:
        if attempt.cut:
            return
        attempt.cut = True
        for queue in (attempt.to_source, attempt.to_target):
            del queue[self.random.randint(0, len(queue)) :]  # what was on its way may still arrive
        self.story.append(f"{self.now:5.1f} #{attempt.number} cut")
        self.reply(attempt, A, On.CUT)
        self.reply(attempt, B, On.CUT)

    def crash(self, node: str) -> None:
        if not self.alive[node]:
            return
        self.story.append(f"{self.now:5.1f} {node} crashes")
        self.alive[node] = False
        self.died = True
        if node == A:
            self.ours = Copy()
        for attempt in self.attempts:
            if node == B:
                attempt.copy = Copy()
            self.cut(attempt)

    def tick(self, length: float) -> None:
        self.now += length
        if self.alive[B] and self.reach[B]:
            if self.tenancy.lapsed(self.now):
                self.sound_since = self.now
            self.tenancy.renewed(self.now)
            self.lease_of_b = self.now
        elif self.lease_of_b is not None and self.now - self.lease_of_b >= TERMS.ttl:
            self.lease_of_b = None
        for attempt in self.attempts:
            if self.tenancy.lapsed(self.now):
                self.at_target(attempt, On.LAPSED)
        if self.alive[A] and self.reach[A]:
            self.observer.contact(self.now)
            if self.lease_of_b is None:
                self.observer.expired(B, self.now)
            else:
                self.observer.alive(B)
            for attempt in self.attempts:
                if attempt.watching and attempt.source is Source.WAITING:
                    self.watch(attempt)

    def watch(self, attempt: Attempt) -> None:
        seen = self.seen_by(attempt, A)
        if seen is not On.THEIRS:
            self.at_source(attempt, seen)
        elif self.observer.dead(B, self.now):
            self.at_source(attempt, On.TARGET_DEAD)

    def some_step(self) -> None:
        r = self.random
        actions: list[tuple[float, Callable[[], None]]] = [
            (3.0, lambda: self.tick(r.choice((0.1, 1.0, 2.0))))
        ]
        if self.pending:
            actions.append((8.0, lambda: self.pending.pop(r.randrange(len(self.pending)))()))
        if self.late:
            actions.append((1.0, lambda: self.late.pop(r.randrange(len(self.late)))()))
        for attempt in self.attempts:
            actions.append((6.0, lambda a=attempt: self.deliver(a)))
            if not self.kind:
                actions.append((0.15, lambda a=attempt: self.cut(a)))
                actions.append(
                    (
                        0.1,
                        lambda a=attempt: self.at_source(a, r.choice((On.DEADLINE, On.CANCEL, On.PATIENCE))),
                    )
                )
                actions.append((0.1, lambda a=attempt: self.at_target(a, On.DEADLINE)))
        if not self.kind:
            if len(self.attempts) < 4:
                actions.append((1.0, self.begin))
            node = r.choice((A, B))
            actions.append((0.3, lambda: self.reach.__setitem__(node, not self.reach[node])))
            actions.append((0.2, lambda: self.reach.update({A: not self.reach[A], B: not self.reach[A]})))
            if self.crashes:
                actions.append((0.05, lambda: self.crash(node)))
        r.choices([a for _, a in actions], [w for w, _ in actions])[0]()
        self.check()

    def run(self, *, crashes: bool) -> None:
        self.crashes = crashes
        for _ in range(self.random.randint(20, 400)):
            self.some_step()
        self.kind = True
        self.reach = {A: True, B: True}
        for _ in range(3000):
            self.some_step()
            if not self.pending and not self.late and self.settled():
                break
        else:
            raise AssertionError("it does not come to rest")

    def settled(self) -> bool:
        return all(
            (a.source in OUTCOMES or not self.alive[A])
            and (a.target in OUTCOMES or not self.alive[B])
            and not (a.to_source or a.to_target)
            for a in self.attempts
        )

    def verdict(self) -> None:
        copies = [(A, self.ours), *((B, attempt.copy) for attempt in self.attempts)]
        existing = [(node, copy) for node, copy in copies if copy.exists]
        assert len(existing) <= 1, "a copy is left over"
        assert all(copy.running for _, copy in existing), "a copy is left stopped"
        if not self.died:
            assert existing, "no copy is left, and nothing crashed"
        if existing:
            assert self.registry.record.owner == existing[0][0]
            assert self.registry.record.state == "running"


ROUNDS = int(os.environ.get("SOJOURN_SIMULATIONS", "3000"))


@pytest.mark.parametrize("crashes", [False, True], ids=["no-crash", "crashes"])
def test_random_faults(crashes: bool) -> None:
    base = random.SystemRandom().randrange(1 << 40)
    print(f"seed {base}")
    outcomes: set[Source | Target | None] = set()
    for seed in range(base, base + ROUNDS):
        world = World(seed)
        try:
            world.run(crashes=crashes)
            world.verdict()
        except AssertionError as why:
            raise AssertionError(f"seed {seed}: {why}\n" + "\n".join(world.story)) from None
        outcomes |= {a.source for a in world.attempts} | {a.target for a in world.attempts}
    assert {Source.MOVED, Source.ABORTED, Target.ARRIVED, Target.DISCARDED} <= outcomes
