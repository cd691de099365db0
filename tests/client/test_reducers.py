"""`sojourn.register`, and the entry points of installed packages: objects travel as their users and packages say."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest

from sojourn.client import Process
from sojourn.errors import Refused, UsageError
from sojourn.reducers import register, registered
from sojourn.testing import LocalCluster

from ..versions import python_of, some

REGISTERED = """
import sys, zlib, sojourn
from sojourn import hop

class Handle:
    __slots__ = ("device", "packer", "owner", "__weakref__")
    made = 0
    def __init__(self, device):
        self.device, self.packer, self.owner = device, zlib.compressobj(device), None
        Handle.made += 1
    def __del__(self):
        print("closed", self.device)

class Wide(Handle):
    pass

def capture(handle):
    return {"device": handle.device, "owner": handle.owner, "cls": type(handle)}

def restore(state):
    handle = state["cls"](state["device"])
    handle.owner = state["owner"]
    return handle

def packer_of(level):
    import zlib
    return zlib.compressobj(level)

sojourn.register(Handle, capture, restore)
sojourn.register(type(zlib.compressobj()), lambda packer: 6, packer_of)
first, wide, bare = Handle(1), Wide(9), zlib.compressobj(6)
first.owner, wide.owner, wide_twice = first, [first, wide], {wide: wide}
wide.extra = "lost: its capture function does not give it"
for node in ("n2", "n3"):
    hop(node)
    assert first.owner is first and wide.owner == [first, wide] and wide_twice[wide] is wide
    print(zlib.decompress(wide.packer.compress(b"wide") + wide.packer.flush()), Handle.made, hasattr(wide, "extra"))
    wide.packer = zlib.compressobj(1)
print(zlib.decompress(bare.compress(b"bare") + bare.flush()), sys.getrefcount(first) > 0)
del first.owner, wide.owner, wide_twice
del first, wide
"""
FAILING = """
import zlib, sojourn
from sojourn import Refused, hop, register

class Handle: ...
class Other: ...

def refused(what, capture, restore):
    register(type(what), capture, restore)
    try:
        hop("n2")
    except Refused as why:
        print(why, flush=True)

def failing(state):
    raise OSError("no such device")

def with_global(level):
    return zlib.compressobj(thing.level)

thing = packer = zlib.compressobj()
refused(packer, lambda packer: Handle(), zlib.compressobj)
refused(packer, failing, zlib.compressobj)
refused(packer, lambda packer: 6, with_global)
thing = packer = Handle()
refused(packer, lambda handle: 6, failing)
refused(packer, lambda handle: 6, lambda state: Other())
register(Handle, lambda handle: handle.__dict__, lambda state: Handle())
hop("n2")
print(sojourn.here().node)
"""
PACKAGE = {
    "camera/__init__.py": """
        import zlib
        class Handle:
            def __init__(self, level):
                self.level, self.packer = level, zlib.compressobj(level)
        """,
    "camera/_travel.py": """
        import camera
        def capture(handle):
            return handle.level
        def restore(level):
            return camera.Handle(level)
        class Packer:
            @staticmethod
            def capture(packer):
                return 6
            @staticmethod
            def restore(level):
                return camera.zlib.compressobj(level)
        """,
    "camera-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: camera\nVersion: 1.0\n",
    "camera-1.0.dist-info/entry_points.txt": """
        [console_scripts]
        camera = camera:main
        [sojourn.reducers]
        camera.Handle = camera._travel
        zlib.Compress = camera._travel:Packer
        [other]
        camera.Handle = camera:nothing
        """,
}
USING = """
import sys, zlib, camera
from sojourn import hop
handle, packer = camera.Handle(3), zlib.compressobj()
before = set(sys.modules)
for node in ("n2", "n1"):
    hop(node)
    print(zlib.decompress(handle.packer.compress(b"handle") + handle.packer.flush()), handle.level)
    print(zlib.decompress(packer.compress(b"packer") + packer.flush()))
    handle.packer, packer = zlib.compressobj(), zlib.compressobj()
print(sorted(set(sys.modules) ^ before), hasattr(camera, "_travel"))
"""


def run(local: LocalCluster, folder: Path, text: str, python: str) -> tuple[Process, str]:
    (folder / "program.py").write_text(text)
    process = local.client.run(folder / "program.py", node="n1", python=python, cwd=str(folder))
    process.wait()
    out, err = process.output()
    assert err == b"", err.decode()
    process.rm()
    return process, out.decode()


def test_what_a_program_registers(
    local_cluster: LocalCluster, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    for version in some(pytestconfig):
        out = run(local_cluster, tmp_path, REGISTERED, python_of(version))[1]
        assert out.splitlines() == [
            "b'wide' 4 False", "b'wide' 6 False", "b'bare' True", "closed 1", "closed 9"
        ], version  # fmt: skip


def test_what_cannot_be_restored_is_refused_and_the_program_goes_on(
    local_cluster: LocalCluster, tmp_path: Path
) -> None:
    lines = run(local_cluster, tmp_path, FAILING, sys.executable)[1].splitlines()
    told = [
        "gives a __main__.Handle, which is not there yet",
        "its capture function failed: OSError: no such device",
        "its restore function uses 'thing' of the program",
        "OSError: no such device",
        "was restored as a __main__.Other",
        "n2",
    ]
    assert len(lines) == len(told) and all(part in line for part, line in zip(told, lines, strict=True)), lines
    assert "found at refused() line 11 -> what: " in lines[0]


def test_what_an_installed_package_says(local_cluster: LocalCluster, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", symlinks=True)
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    for name, text in PACKAGE.items():
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text("\n".join(line[8:] if line[:8].isspace() else line for line in text.splitlines()))
    out = run(local_cluster, tmp_path, USING, str(tmp_path / "venv"))[1]
    assert out.splitlines() == ["b'handle' 3", "b'packer'"] * 2 + ["[] False"]


def test_what_is_no_class_or_no_function_is_not_registered() -> None:
    class Kind: ...

    for arguments in ((7, repr, eval), (Kind, "capture", eval), (Kind, repr, None), (dict, repr, eval)):
        with pytest.raises(UsageError):
            register(*arguments)  # type: ignore[arg-type]
    assert not registered
    assert issubclass(Refused, Exception)
