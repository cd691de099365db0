# pyright: basic
# (raw memory, and modules without stubs)
"""Hashes in the middle of their work: `hashlib` and `hmac` over OpenSSL.

Theory. What MD5, SHA-1 and SHA-2 have hashed so far is a struct of OpenSSL's public headers (`MD5_CTX`, `SHA256_CTX`…):
numbers and the begun block, no pointers, the same in every version for decades. It lies behind an `EVP_MD_CTX`, whose
place for it is found by looking at a fresh hash, whose struct begins with the algorithm's first constants. Reading goes
through the kernel, so that a word which is no pointer gives nothing instead of a fault. A hash that has hashed nothing
is made anew whatever its algorithm.

Guarantees. The digest so far travels along; at the source a second hash is given the struct and must have that digest,
else the object is refused; at the target likewise before the program runs. Only what was just made is written to.

Rejected: hashing again what was hashed (it is gone); a hash that counts on from outside (another type).
"""

from __future__ import annotations

import ctypes
import struct
from typing import Any

from sojourn.errors import Refused
from sojourn.frames.memory import Memory

from .dumper import Dumper, Refuse
from .registry import constructor, reduces

# Size of the struct, its first word in a fresh hash, where the count of bits is, bytes in a block
_STRUCTS: dict[str, tuple[int, bytes, int, int]] = {
    "md5": (92, struct.pack("<I", 0x67452301), 16, 64),
    "sha1": (96, struct.pack("<I", 0x67452301), 20, 64),
    "sha224": (112, struct.pack("<I", 0xC1059ED8), 32, 64),
    "sha256": (112, struct.pack("<I", 0x6A09E667), 32, 64),
    "sha384": (216, struct.pack("<Q", 0xCBBB9D5DC1059ED8), 64, 128),
    "sha512": (216, struct.pack("<Q", 0x6A09E667F3BCC908), 64, 128),
}
_WORD = 8
_WORDS = 16  # of an EVP_MD_CTX that are looked at
_KEYED = "hmac-"
_MOST = 32  # bytes of the digests of functions whose digests have any length
_WHY = "what it has hashed so far is in C, and cannot be read"
_ADVICE = "call digest() first, or hash in one piece after a move; hashes of MD5, SHA-1 and SHA-2 by OpenSSL travel"


def _made(name: str) -> Any:
    """A fresh hash of that name; with any key, if it has one."""
    library = __import__("_hashlib")
    if name.startswith(_KEYED):
        return library.hmac_new(b"", b"", digestmod=name.removeprefix(_KEYED))
    return library.new(name)


def _digest(hashing: Any) -> bytes:
    return hashing.digest() if hashing.digest_size else hashing.digest(_MOST)


def _places(hashing: Any) -> list[tuple[int, int]]:
    """Where the structs of a hash are, and how large; a keyed one has three. Empty where they are not found."""
    name = hashing.name
    layout = _STRUCTS.get(name.removeprefix(_KEYED))
    if layout is None:
        return []
    fresh = _made(name)
    with Memory() as memory:
        for at in range(2, type(fresh).__basicsize__ // _WORD):
            for within in range(_WORDS):
                if _structs(memory, fresh, at, within, layout, fresh=True):
                    return [(place, layout[0]) for place in _structs(memory, hashing, at, within, layout)]
    return []


def _structs(memory: Memory, hashing: Any, at: int, within: int, layout: Any, *, fresh: bool = False) -> list[int]:
    """The addresses of its structs if an EVP_MD_CTX is at that word of it, with the struct at that word of the CTX."""
    size, first, counts, block = layout
    keyed = hashing.name.startswith(_KEYED)
    contexts = memory.words(id(hashing) + at * _WORD, 1)
    if keyed and contexts:
        contexts = memory.words(contexts[0] + _WORD, 3)  # HMAC_CTX: md, then three of them
    found = [place for context in contexts for place in memory.words(context + within * _WORD, 1)]
    held = [memory.read(place, size) for place in found]
    if len(held) != (3 if keyed else 1) or any(len(each) != size for each in held):
        return []
    if fresh:
        begun = [struct.unpack_from("<I", each, counts)[0] for each in held]
        if begun != ([8 * block] * 3 if keyed else [0]) or not (keyed or held[0].startswith(first)):
            return []
    return found


@reduces("_hashlib.HASH", "_hashlib.HASHXOF", "_hashlib.HMAC")
def _reduce_hash(hashing: Any, dumper: Dumper) -> Any:
    name, seen = hashing.name, _digest(hashing)
    try:
        if not name.startswith(_KEYED) and _digest(_made(name)) == seen:
            return hash_again, (name, [], seen)
        states = [ctypes.string_at(place, size) for place, size in _places(hashing)]
        if states:
            hash_again(name, states, seen)
            return hash_again, (name, states, seen)
    except (ValueError, Refused):  # of no such name; another digest
        pass
    raise Refuse(hashing, _WHY, _ADVICE)


@constructor
def hash_again(name: str, states: list[bytes], seen: bytes) -> Any:
    made = _made(name)
    if states:
        places = _places(made)
        if [size for _, size in places] != [len(each) for each in states]:
            raise Refused(f"a {name} hash of the program cannot be set here: OpenSSL is laid out otherwise")
        for (place, size), state in zip(places, states, strict=True):
            ctypes.memmove(place, state, size)
    if _digest(made) != seen:
        raise Refused(f"a {name} hash of the program has another digest here")
    return made


@reduces(*(
    f"{module}.{name}"
    for module, names in (
        ("_blake2", ("blake2b", "blake2s")), ("_md5", ("md5",)), ("_sha1", ("sha1",)),
        ("_sha2", ("SHA224Type", "SHA256Type", "SHA384Type", "SHA512Type")),
        ("_sha256", ("sha224", "sha256")), ("_sha512", ("sha384", "sha512")),
        ("_sha3", ("sha3_224", "sha3_256", "sha3_384", "sha3_512", "shake_128", "shake_256")),
    )
    for name in names
))  # fmt: skip
def _reduce_own_hash(hashing: Any, dumper: Dumper) -> Any:
    """Of the interpreter's own: made anew if it has hashed nothing (and has no key)."""
    module, name = type(hashing).__module__, hashing.name
    settings = {"digest_size": hashing.digest_size} if module == "_blake2" else {}
    if _digest(fresh_hash(module, name, settings)) == _digest(hashing):
        return fresh_hash, (module, name, settings)
    raise Refuse(hashing, _WHY, _ADVICE)


@constructor
def fresh_hash(module: str, name: str, settings: dict[str, int]) -> Any:
    return getattr(__import__(module), name)(**settings)
