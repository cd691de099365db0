"""The cluster's authority: a key that signs certificates, made by `sojourn up` and kept by whoever ran it.

    FOLDER/             0700
      ca.pem  ca.key    0600   the authority
      tokens/           0700   `trust.tokens`

Keys are Ed25519. A certificate names one member in one role (`trust.identity`) and lasts as long as the authority
(ten years): what ends a membership before that is expulsion, which every member hears of at once, not a date. A
newcomer makes its own key and sends a signing request; the authority takes the public key out of it and nothing else,
so a request can ask for no name, no role and no extension.

`cryptography` is imported by these functions alone: who only speaks TLS does not need it.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import ssl
from pathlib import Path
from typing import Any

from sojourn._util import clock
from sojourn.errors import ProtocolError, UsageError
from sojourn.trust.credentials import Credentials, write_private
from sojourn.trust.identity import NODE, Identity

LIFETIME = datetime.timedelta(days=3650)
SKEW = datetime.timedelta(days=1)  # a newcomer's clock may be behind ours
LARGEST_REQUEST = 8192  # bytes of a signing request


class Pair:
    """A certificate and its private key, as PEM."""

    def __init__(self, certificate: bytes, key: bytes) -> None:
        self.certificate = certificate
        self.key = key

    def save(self, folder: Path, name: str) -> Credentials:
        """Write them as files that only their owner may read."""
        paths = folder / f"{name}.pem", folder / f"{name}.key"
        for path, data in zip(paths, (self.certificate, self.key), strict=True):
            write_private(path, data)
        return Credentials(*paths)


class Authority:
    """Signs. `create` makes a new one, `Authority(folder)` opens one that is there."""

    def __init__(self, folder: Path) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        self.folder = folder
        try:
            self._certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
            key: Any = load_pem_private_key((folder / "ca.key").read_bytes(), None)
        except OSError as why:
            raise UsageError(f"the cluster's authority is not at {folder}: {why}") from why
        self._key = key
        self.pem = (folder / "ca.pem").read_bytes()

    @classmethod
    def create(cls, folder: Path, cluster: str) -> Authority:
        """Make a new one. Whatever the folder held of an earlier cluster is of no use any more."""
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        key = Ed25519PrivateKey.generate()
        name = _name(f"authority.{cluster}.sojourn")
        builder = _builder(name, name, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        Pair(_pem(builder.sign(key, None)), _private(key)).save(folder, "ca")
        return cls(folder)

    def issue(self, identity: Identity, *, address: str = "") -> tuple[Pair, str]:
        """A new key and its certificate; and the certificate's number. `address`: where other servers will call it."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.generate()
        certificate, serial = self._sign(key.public_key(), identity, address)
        return Pair(certificate, _private(key)), serial

    def answer(self, request: bytes, identity: Identity, *, address: str = "") -> tuple[bytes, str]:
        """The certificate for a signing request, and its number; `address` as in `issue`. Raises ProtocolError."""
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        if len(request) > LARGEST_REQUEST:
            raise ProtocolError("a signing request that is too large")
        try:
            asked = x509.load_pem_x509_csr(request)
            public = asked.public_key()
            proved = asked.is_signature_valid
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as why:
            raise ProtocolError(f"not a signing request: {why}") from why
        if not proved or not isinstance(public, Ed25519PublicKey):
            raise ProtocolError(
                "a signing request without the key that it speaks of, or with another kind of key"
            )
        return self._sign(public, identity, address)

    def _sign(self, public: Any, identity: Identity, address: str) -> tuple[bytes, str]:
        from cryptography import x509
        from cryptography.x509.oid import ExtendedKeyUsageOID as Use

        builder = _builder(_name(identity.host), self._certificate.subject, public)
        extensions: list[tuple[Any, bool]] = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(signs_certificates=False), True),
            (x509.SubjectAlternativeName([x509.DNSName(identity.host), *_addresses(address)]), False),
            (x509.ExtendedKeyUsage([Use.SERVER_AUTH, Use.CLIENT_AUTH]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False),
            (x509.SubjectKeyIdentifier.from_public_key(public), False),
        ]
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        certificate = builder.sign(self._key, None)
        return _pem(certificate), format(certificate.serial_number, "x")


def issued(certificate: bytes, authority: bytes, identity: Identity) -> bool:
    """Whether the authority has signed that certificate, for that one."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    try:
        found, signer = (x509.load_pem_x509_certificate(pem) for pem in (certificate, authority))
        found.verify_directly_issued_by(signer)
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return names.get_values_for_type(x509.DNSName) == [identity.host]


def pin(certificate: bytes) -> str:
    """The SHA-256 of the public key in a certificate, which NATS knows other servers by."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public: Any = x509.load_pem_x509_certificate(certificate).public_key()
    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def signing_request() -> tuple[bytes, bytes]:
    """A newcomer's new key, and the request to have it signed."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    request = x509.CertificateSigningRequestBuilder().subject_name(_name(f"new.{NODE}")).sign(key, None)
    return _private(key), _pem(request)


def fingerprint(pem: bytes) -> str:
    """What a token carries of the authority: the SHA-256 of its certificate. Raises ProtocolError."""
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode("ascii"))).hexdigest()
    except ValueError as why:
        raise ProtocolError("that is no certificate") from why


def _builder(subject: Any, issuer: Any, public: Any) -> Any:
    from cryptography import x509

    now = datetime.datetime.fromtimestamp(clock.wall(), datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFETIME)
    )


def _name(common: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _addresses(address: str) -> list[Any]:
    """An address as a name in a certificate. (A host name is none of ours: members are told apart by theirs.)"""
    from cryptography import x509

    try:
        return [x509.IPAddress(ipaddress.ip_address(address))] if address else []
    except ValueError:
        return []


def _usage(*, signs_certificates: bool) -> Any:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(thing: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return thing.public_bytes(Encoding.PEM)


def _private(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
