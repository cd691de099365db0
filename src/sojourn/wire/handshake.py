"""Who is there: the first bytes between two nodes, before anything is decoded.

Both sides prove that they know the cluster's secret without showing it: each answers the other's fresh
random challenge with an HMAC-SHA256. All three messages have a fixed length, so nothing a stranger sends is
parsed or kept.

    listener -> caller   magic(8)  challenge(32)
    caller -> listener   challenge(32)  purpose(1)  proof(32)
    listener -> caller   proof(32)

A proof covers both challenges, the purpose and the direction, so it cannot be replayed, reflected, or used
to say something else. Versions that do not fit have another magic.

Rejected: the secret itself over the wire (anybody on the path has it then); TLS with certificates on
loopback (they come with nodes that join over a network).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from sojourn.errors import ProtocolError, Unauthorized

MAGIC = b"sojourn\x01"
CHALLENGE = 32
PROOF = 32
GREETING = len(MAGIC) + CHALLENGE
RESPONSE = CHALLENGE + 1 + PROOF

CONTROL = b"c"
MOVE = b"m"
PURPOSES = frozenset({CONTROL, MOVE})


def _proof(secret: bytes, who: bytes, theirs: bytes, mine: bytes, purpose: bytes) -> bytes:
    return hmac.digest(secret, b"sojourn " + who + purpose + theirs + mine, hashlib.sha256)


class Listener:
    """The side that was called."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._challenge = secrets.token_bytes(CHALLENGE)
        self.greeting = MAGIC + self._challenge

    def answer(self, response: bytes) -> tuple[bytes, bytes]:
        """The purpose of the call and the proof to send. Raises Unauthorized."""
        if len(response) != RESPONSE:
            raise ProtocolError("a response of the wrong length")
        challenge, purpose, proof = (
            response[:CHALLENGE],
            response[CHALLENGE : CHALLENGE + 1],
            response[CHALLENGE + 1 :],
        )
        wanted = _proof(self._secret, b"caller", self._challenge, challenge, purpose)
        if not hmac.compare_digest(wanted, proof) or purpose not in PURPOSES:
            raise Unauthorized("a stranger called: it does not know the cluster's secret")
        return purpose, _proof(self._secret, b"listener", challenge, self._challenge, purpose)


class Caller:
    """The side that calls."""

    def __init__(self, secret: bytes, purpose: bytes) -> None:
        self._secret = secret
        self._purpose = purpose
        self._challenge = secrets.token_bytes(CHALLENGE)
        self._theirs = b""

    def respond(self, greeting: bytes) -> bytes:
        """What to send. Raises ProtocolError when the other side is no node, or one of another version."""
        if len(greeting) != GREETING or not greeting.startswith(MAGIC):
            raise ProtocolError("who answered is no node of this version of Sojourn")
        self._theirs = greeting[len(MAGIC) :]
        proof = _proof(self._secret, b"caller", self._theirs, self._challenge, self._purpose)
        return self._challenge + self._purpose + proof

    def check(self, proof: bytes) -> None:
        """Raises Unauthorized when who answered does not know the secret."""
        wanted = _proof(self._secret, b"listener", self._challenge, self._theirs, self._purpose)
        if not hmac.compare_digest(wanted, proof):
            raise Unauthorized("who answered does not know the cluster's secret")
