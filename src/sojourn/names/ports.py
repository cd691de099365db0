"""Ports at which servers are found again: free ones that the kernel gives to nobody by itself.

A server that is started again has to listen where it did before. A port that the kernel gave away (`bind` to 0) may by
then be that of anybody's outgoing connection, for as long as that lasts; so those are left to it
(`net.ipv4.ip_local_port_range`, ip(7), which holds for IPv6, too).
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000  # those below are well known
_TRIES = 100


def free_port(host: str) -> int:
    """A port of this address that is free at this moment.

    Raises:
        OSError: the address is none of this machine's.
    """
    below = _given_away_from()
    for _ in range(_TRIES if below > _LOWEST else 0):
        port = random.randrange(_LOWEST, below)
        try:
            return _bound(host, port)
        except OSError:
            continue
    return _bound(host, 0)


def _bound(host: str, port: int) -> int:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family) as probe:
        probe.bind(address)
        return probe.getsockname()[1]


def _given_away_from() -> int:
    try:
        return int(_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
