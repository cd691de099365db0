from __future__ import annotations

import os
import socket
import struct
import threading

import pytest

from sojourn._util.channel import HEADER, MAX_BODY, Channel, ChannelError, Framer, encode
from sojourn._util.descriptors import FLOOR, memfd, open_numbers, placed, raised


def pair() -> tuple[Channel, Channel]:
    one, two = socket.socketpair()
    return Channel(one.detach()), Channel(two.detach())


def test_messages_and_descriptors_arrive_in_order() -> None:
    one, two = pair()
    files = [memfd(f"file {number}") for number in range(3)]
    for number, file in enumerate(files):
        os.write(file, b"%d" % number)
    one.send({"first": "\udcff é"}, files[:2])
    one.send({"second": 2})
    one.send({"third": None}, files[2:])
    got = [two.receive() for _ in range(3)]
    assert [message for message, _ in got if message] == [
        {"first": "\udcff é"},
        {"second": 2},
        {"third": None},
    ]
    received = [fd for message in got if message for fd in message[1]]
    assert [os.pread(fd, 10, 0) for fd in received] == [b"0", b"1", b"2"]
    assert all(not os.get_inheritable(fd) for fd in received)
    for fd in files + received:
        os.close(fd)
    one.close()
    assert two.receive() is None
    two.close()


def test_a_big_message_crosses_in_pieces() -> None:
    one, two = pair()
    text = "x" * 3_000_000
    sender = threading.Thread(target=one.send, args=({"text": text},))
    sender.start()
    assert two.receive() == ({"text": text}, [])
    sender.join()
    one.close()
    two.close()


def test_ready_takes_what_is_there_and_notices_the_end() -> None:
    one, two = pair()
    assert two.ready() == []
    one.send({"a": 1})
    one.send({"b": 2})
    assert [message for message, _ in two.ready()] == [{"a": 1}, {"b": 2}]
    assert not two.closed
    one.send({"c": 3})
    one.close()
    assert [message for message, _ in two.ready()] == [{"c": 3}]
    assert two.closed
    two.close()


@pytest.mark.parametrize(
    "frame",
    [
        HEADER.pack(MAX_BODY + 1, 0),
        HEADER.pack(2, 99) + b"{}",
        HEADER.pack(2, 1) + b"{}",  # a descriptor that did not come
        HEADER.pack(3, 0) + b"{]}",
        HEADER.pack(2, 0) + b"[]",
        HEADER.pack(1, 0) + b"\xff",
    ],
)
def test_what_is_no_frame_is_refused(frame: bytes) -> None:
    framer = Framer()
    framer.feed(frame, [])
    with pytest.raises(ChannelError):
        framer.take()


def test_a_cut_frame_waits() -> None:
    frame = encode({"a": 1}, 0)
    framer = Framer()
    for byte in struct.unpack(f"{len(frame) - 1}c", frame[:-1]):
        framer.feed(byte, [])
        assert framer.take() is None
    framer.feed(frame[-1:], [])
    assert framer.take() == ({"a": 1}, [])


def test_descriptors_keep_to_their_side_of_the_floor() -> None:
    file = raised(memfd("ours"))
    assert file >= FLOOR
    assert not os.get_inheritable(file)
    assert file not in open_numbers()
    free = next(number for number in range(FLOOR - 1, 0, -1) if number not in open_numbers())
    placed(file, free)
    assert os.get_inheritable(free)
    assert free in open_numbers()
    os.close(free)
