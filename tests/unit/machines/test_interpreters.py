"""Which interpreter runs a program: what a probe tells, and refusals that name both sides before anything starts."""

from __future__ import annotations

import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sojourn.errors import Refused
from sojourn.frames.support import JIT_SWITCH, supported
from sojourn.machines.python.interpreters import Interpreters, Probed
from sojourn.resources.log import Log

from ...versions import ALL, OTHERS, OWN, ROOT, full_version, python_of
from .conftest import VENVS, environment, machine_in, spec_of, within

NEWER = ROOT / ".interpreters" / "usr" / "bin"  # see tools/interpreters


def known(folder: Path) -> Interpreters:
    return Interpreters(folder / "probes.json")


def refused(work: Coroutine[Any, Any, Any]) -> str:
    with pytest.raises(Refused) as refusal:
        within(work)
    return refusal.value.message


def said_by(python: str, folder: Path) -> Probed:
    """What a probe gives, of an interpreter that answers with `python`, a shell script's text."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{python}\n")
    path.chmod(0o755)
    return within(known(folder).probe(str(path)))


ANSWER = (
    '{"path": "/opt/python", "version": "3.13.2", "implementation": "cpython", "arch": "x86_64", "build": "3.13.2 x", '
    '"abiflags": "t", "paths": ["", "/opt/lib"], "cache_tag": "cpython-313", "magic": "aa", "bits": 64, '
    '"platform": "linux", "jit": "off"}'
)


def test_an_answer_of_a_probe_is_read(tmp_path: Path) -> None:
    probed = said_by(f"echo '{ANSWER}'", tmp_path)
    assert probed.interpreter.version == "3.13.2"
    assert probed.paths == ["/opt/lib"]
    objection = probed.objection({})
    assert objection is not None
    assert "cpython 3.13.2 at /opt/python" in objection
    assert "free-threaded" in objection
    assert supported() in objection


def test_a_probe_is_remembered_on_disk(tmp_path: Path) -> None:
    first = said_by(f"echo run >>{tmp_path}/runs; echo '{ANSWER}'", tmp_path)
    assert within(known(tmp_path).probe(str(tmp_path / "python"))) == first
    assert (tmp_path / "runs").read_text() == "run\n"


def test_this_interpreter_is_chosen(tmp_path: Path) -> None:
    chosen = within(known(tmp_path).chosen(str(VENVS[0]), environment(), "/"))
    assert chosen.interpreter.version == full_version(OWN)


def test_another_implementation_is_refused(tmp_path: Path) -> None:
    pypy = NEWER / "pypy3"
    if not pypy.exists():
        pytest.skip(f"no {pypy} (make interpreters)")
    message = refused(known(tmp_path).chosen(str(pypy), environment(), "/"))
    assert "pypy 3." in message
    assert str(pypy) in message
    assert supported() in message


@pytest.mark.parametrize("version", [version for version in ALL if version in ("3.14", "3.15")])
def test_a_program_that_would_run_with_the_jit_is_refused(version: str, tmp_path: Path, state: Path) -> None:
    python = NEWER / f"python{version}"
    if not python.exists():
        pytest.skip(f"no {python} (make interpreters)")
    interpreters = known(tmp_path)
    if within(interpreters.probe(str(python))).build.jit == "none":
        pytest.skip(f"{python} was built without a JIT")
    (tmp_path / "program.py").write_text("print('ran')")

    async def start(switch: str) -> int | None:
        async with machine_in(state) as machine:
            log = Log(tmp_path / "log", 1)
            host = await machine.start(
                spec_of(python, ["program.py"], tmp_path, environment(**{JIT_SWITCH: switch})), log
            )
            return (await host.wait()).code

    message = refused(start("1"))
    assert "JIT" in message
    assert supported() in message
    assert not list((tmp_path / "log").glob("*.out"))
    assert within(start("0")) == 0


def test_an_offer_of_another_minor_version_is_refused_naming_both(tmp_path: Path) -> None:
    other = next((version for version in OTHERS if full_version(version)), None)
    if other is None:
        pytest.skip("no other supported version here")
    theirs = within(known(tmp_path).probe(python_of(other))).interpreter
    # The target has only the version of the tests; theirs is of a machine that it does not share.
    moved = msgspec.structs.replace(theirs, path="/elsewhere/python")
    empty = {"PATH": os.path.dirname(python_of(OWN)), "HOME": str(tmp_path)}
    message = refused(known(tmp_path).like(moved, empty))
    assert f"cpython {full_version(other)}" in message
    assert f"cpython {full_version(OWN)}" in message
