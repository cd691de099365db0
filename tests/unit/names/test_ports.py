"""Where servers listen is nobody else's by chance."""

import socket
from pathlib import Path

import pytest

from sojourn.names.ports import free_port


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "0.0.0.0"])
def test_a_port_is_free_and_the_kernel_gives_it_to_nobody(host: str) -> None:
    if host == "::1" and not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    lowest, _ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    ports = {free_port(host) for _ in range(50)}
    assert len(ports) > 1
    for port in ports:
        assert 1024 < port < lowest
    family, _, _, _, address = socket.getaddrinfo(host, min(ports), type=socket.SOCK_STREAM)[0]
    with socket.socket(family) as server:
        server.bind(address)


def test_an_address_of_somebody_else_has_none() -> None:
    with pytest.raises(OSError):
        free_port("192.0.2.1")
