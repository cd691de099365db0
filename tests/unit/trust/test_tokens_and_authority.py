"""Tokens are used as often as they say, and certificates say what the authority says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sojourn.errors import ProtocolError, Unauthorized, UsageError
from sojourn.trust import tokens
from sojourn.trust.authority import Authority, fingerprint, signing_request
from sojourn.trust.identity import CLIENT, NODE, Identity, label, parse
from sojourn.trust.tokens import Token, Tokens


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(place: Tokens, **more: object) -> Token:
    wanted = {"url": "127.0.0.1:1", "authority": "f", "role": NODE, "expires": 60.0, "uses": 1, **more}
    return tokens.read(place.make(**wanted).text())  # type: ignore[arg-type]


def test_a_token_is_used_once(tmp_path: Path) -> None:
    place = Tokens(tmp_path / "t", Clock())
    token = made(place)
    assert place.check(token.id, token.secret) == NODE
    assert place.use(token.id, token.secret) == NODE
    for ask in (place.check, place.use):
        with pytest.raises(Unauthorized, match="used already"):
            ask(token.id, token.secret)


def test_a_token_expires(tmp_path: Path) -> None:
    clock = Clock()
    place = Tokens(tmp_path / "t", clock)
    token = made(place, uses=2, role=CLIENT)
    assert place.use(token.id, token.secret) == CLIENT
    clock.now += 60
    with pytest.raises(Unauthorized, match="expired"):
        place.use(token.id, token.secret)


def test_a_forged_token_is_refused_and_its_secret_is_nowhere(tmp_path: Path) -> None:
    place = Tokens(tmp_path / "t", Clock())
    token = made(place)
    for id, secret in (
        (token.id, "guess"),
        (token.id[::-1], token.secret),
        ("../ca.key", token.secret),
        (token.id, ""),
    ):
        with pytest.raises(Unauthorized, match="not one of this cluster"):
            place.use(id, secret)
    assert all(token.secret not in path.read_text() for path in (tmp_path / "t").iterdir())
    assert place.use(token.id, token.secret) == NODE, "failed attempts do not use it up"


@pytest.mark.parametrize("wrong", [{"expires": 0.0}, {"expires": 1e9}, {"uses": 0}, {"uses": 10**6}])
def test_absurd_tokens_are_not_made(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        made(Tokens(tmp_path / "t", Clock()), **wrong)


@given(st.text(max_size=100))
@settings(max_examples=200)
def test_any_text_is_a_token_or_a_usage_error(text: str) -> None:
    for each in (text, tokens.PREFIX + text):
        with pytest.raises(UsageError):
            tokens.read(each)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"), "c")


@given(st.binary(max_size=300), st.integers(0, 10_000), st.integers(0, 255))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_hostile_signing_requests(authority: Authority, noise: bytes, at: int, value: int) -> None:
    """Noise, and a true request with one byte changed: signed as what it is, or refused by type."""
    _, request = signing_request()
    changed = bytearray(request)
    changed[at % len(changed)] = value
    with pytest.raises(ProtocolError):
        authority.answer(noise, Identity("c", NODE, "n1"))
    try:
        authority.answer(bytes(changed), Identity("c", NODE, "n1"))
    except ProtocolError:
        pass


def test_a_request_asks_for_a_key_and_nothing_else(authority: Authority) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    asked = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "host.keeper.c.sojourn")]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("host.keeper.c.sojourn")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(Ed25519PrivateKey.generate(), None)
    )
    from cryptography.hazmat.primitives.serialization import Encoding

    pem, serial = authority.answer(asked.public_bytes(Encoding.PEM), Identity("c", NODE, "n9"))
    got = x509.load_pem_x509_certificate(pem)
    names = got.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["n9.node.c.sojourn"]
    assert not got.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert format(got.serial_number, "x") == serial
    assert "keeper" not in got.subject.rfc4514_string()


def test_identities() -> None:
    assert parse("n1.node.c.sojourn") == Identity("c", NODE, "n1")
    for host in (
        "n1.node.c",
        "n1.king.c.sojourn",
        "a.b.node.c.sojourn",
        "",
        "n1.node.c.example",
        "..c.sojourn",
    ):
        with pytest.raises(Unauthorized):
            parse(host)
    for name in ("", "N1", "a.b", "-a", "a" * 41, "a b", "*"):
        with pytest.raises(UsageError):
            label(name)


def test_fingerprints_are_of_certificates(authority: Authority) -> None:
    assert len(fingerprint(authority.pem)) == 64
    for noise in (b"", b"x", os.urandom(100)):
        with pytest.raises(ProtocolError):
            fingerprint(noise)
