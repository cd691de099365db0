"""Which interpreters can carry mobile processes: one table and one decision, for the node and for the engine inside.

The node asks before it starts anything, about an interpreter that it has probed; the engine asks again in the
interpreter itself, where flags and environment have had their say.
"""

from __future__ import annotations

from dataclasses import dataclass

SUPPORTED = ((3, 11), (3, 12), (3, 13), (3, 14), (3, 15))  # minor versions that went through the exhaustive test
JIT_SWITCH = "PYTHON_JIT"  # by this variable a build that has a JIT is told to use it, or not to


@dataclass(frozen=True, slots=True)
class Build:
    """What an interpreter says of itself."""

    implementation: str  # "cpython"
    version: str  # "3.14.8"
    platform: str = "linux"
    arch: str = "x86_64"
    bits: int = 64
    abiflags: str = ""
    jit: str = "none"  # or "off": built in, and to be asked for; or "on": at work unless told not to be

    @property
    def minor(self) -> tuple[int, int]:
        major, minor, *_ = self.version.split(".")
        return int(major), int(minor)

    def uses_jit(self, switch: str | None) -> bool:
        """Does it turn hot loops into machine code, given the value of `JIT_SWITCH` (empty counts as not set)?"""
        return self.jit != "none" and (switch != "0" if switch else self.jit == "on")


def objection(build: Build, switch: str | None = None) -> str | None:
    """What makes this build unfit, in words that follow "it is "; None if it is fit."""
    if build.implementation != "cpython":
        return "another implementation"
    if build.platform != "linux" or build.arch != "x86_64" or build.bits != 64:
        return "for another platform"
    if build.minor not in SUPPORTED:
        return "another version"
    if "t" in build.abiflags:
        return "a free-threaded build"
    if "d" in build.abiflags:
        return "a debug build"
    if build.uses_jit(switch):
        return f"a build whose JIT is at work ({JIT_SWITCH}=0 in the program's environment turns it off)"
    return None


def supported() -> str:
    """The other side of every refusal."""
    versions = ", ".join(f"{major}.{minor}" for major, minor in SUPPORTED)
    return f"processes move on CPython {versions}, 64-bit x86 Linux, release builds with the GIL and no JIT at work"
