"""Bytes from outside: any at all give a message or ProtocolError."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sojourn.errors import ProtocolError, Unauthorized
from sojourn.wire import control, greeting, joining, peer
from sojourn.wire.framing import HEADER, Frames, frame

DECODERS = (
    control.request,
    control.answer,
    peer.decode,
    joining.question,
    joining.answer,
    greeting.check_verdict,
    greeting.purpose,
)
SAMPLES: list[peer.Message] = [
    peer.Propose(
        epoch=2, record=msgspec.Raw(b"\x80"), revision=7, log={1: 5}, offer=msgspec.Raw(b"\x80"), patience=1.0
    ),
    peer.Fetch(epoch=2, digest="d"),
    peer.Blob(epoch=2, digest="d", size=5),
    peer.NoBlob(epoch=2, digest="d"),
    peer.Accepted(epoch=2, log={}),
    peer.Refused(epoch=2, error={"code": "refused"}),
    peer.Failed(epoch=2, error={}),
    peer.Piece(epoch=2, segment=1, offset=0, data=b"x"),
    peer.Image(epoch=2, size=10, log={1: 2}),
    peer.Ready(epoch=2),
    peer.Go(epoch=2, revision=8),
    peer.Abort(epoch=2, why="because"),
    peer.Running(epoch=2, first_at=1, boot="b"),
    peer.Returned(epoch=2),
    peer.Retired(epoch=2),
]


@pytest.mark.parametrize("message", SAMPLES, ids=lambda m: type(m).__name__)
def test_round_trip(message: peer.Message) -> None:
    (body,) = Frames(peer.CAP).feed(peer.encode(message))
    assert peer.decode(body) == message


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=50), max_size=10), st.lists(st.integers(1, 30), min_size=1, max_size=30))
def test_frames_do_not_depend_on_how_bytes_arrive(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(HEADER.pack(len(body)) + body for body in bodies)
    frames, got, at = Frames(64), [], 0
    while at < len(stream):
        step = cuts[at % len(cuts)]
        got += frames.feed(stream[at : at + step])
        at += step
    assert got == bodies


@settings(max_examples=1000, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_is_refused(data: bytes) -> None:
    for decode in DECODERS:
        try:
            decode(data)
        except ProtocolError:
            pass
    try:
        Frames(100).feed(data)
    except ProtocolError:
        pass


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(SAMPLES), st.integers(0, 10_000), st.integers(0, 255))
def test_one_wrong_byte_is_a_message_or_refused(message: peer.Message, at: int, value: int) -> None:
    body = bytearray(peer.encode(message)[HEADER.size :])
    body[at % len(body)] = value
    try:
        peer.decode(bytes(body))
    except ProtocolError:
        pass


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ProtocolError):
        control.request(b"\x83\xa2id\x01\xa2op\xa1x\xa4args\x81\xa1a" + b"\x91" * 200_000 + b"\xc0")


def test_lengths_over_the_cap_are_refused_before_anything_is_kept() -> None:
    with pytest.raises(ProtocolError):
        Frames(100).feed(HEADER.pack(101))
    with pytest.raises(ProtocolError):
        frame(b"x" * 101, cap=100)


def test_an_answer_has_one_meaning() -> None:
    with pytest.raises(ProtocolError):
        control.answer(msgspec.msgpack.encode({"id": 1, "ok": 1, "item": 2}))
    with pytest.raises(ProtocolError):
        control.answer(msgspec.msgpack.encode({"id": 1}))
    assert control.answer(control.encode(control.Answer(1, ok=None))[4:]).ok is None


def test_a_greeting_is_ours_and_of_this_version() -> None:
    assert greeting.purpose(greeting.greeting(greeting.MOVE)) == greeting.MOVE
    for said in (b"GET / HTT", b"sojourn\x01m", greeting.MAGIC + b"x", greeting.MAGIC, b""):
        with pytest.raises(ProtocolError):
            greeting.purpose(said)
    with pytest.raises(ProtocolError):
        greeting.check_magic(b"HTTP/1.1")


def test_a_verdict_says_why() -> None:
    (body,) = Frames(greeting.CAP).feed(greeting.verdict(None)[len(greeting.MAGIC) :])
    greeting.check_verdict(body)
    (body,) = Frames(greeting.CAP).feed(greeting.verdict(Unauthorized("expelled"))[len(greeting.MAGIC) :])
    with pytest.raises(Unauthorized, match="expelled"):
        greeting.check_verdict(body)


class Row(msgspec.Struct):
    name: str
    pid: int | None = None


def test_rows_are_read_as_what_they_are() -> None:
    def read(**parts: Any) -> control.Answer:
        return control.answer(msgspec.msgpack.encode({"id": 1, **parts}), Row)

    assert read(ok=[{"name": "a"}, {"name": "b", "pid": 7}]).ok == [Row("a"), Row("b", 7)]
    assert read(error={"code": "X"}).error == {"code": "X"} and read(item=3).item == 3
    for wrong in ({"ok": [{"pid": 1}]}, {"ok": {}}, {"ok": [], "item": 1}, {}):
        with pytest.raises(ProtocolError):
            read(**wrong)
