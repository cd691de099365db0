"""An image of every format version there has been is still read, and its program goes on.

Reading an image needs no interpreter: that is tested everywhere. Its program needs the very build that froze it
(frames of the library stand in it, and what differs from a pristine import is told by differing objects), the same
minor version alone would not do; where there is none, and only then, that part is skipped with the reason.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sojourn.errors import Refused
from sojourn.image import report
from sojourn.image.manifest import VERSION
from sojourn.image.opened import opened
from sojourn.image.signing import Believed
from sojourn.testing import LocalCluster

HERE = Path(__file__).parent
IMAGES = sorted(HERE.glob("format-*.image"))


def test_there_is_one_of_the_present_version() -> None:
    assert f"format-{VERSION}.image" in [image.name for image in IMAGES]


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.stem)
def test_it_is_read(image: Path) -> None:
    with opened(str(image), Believed([])) as found:
        said, seen = found.manifest, report.read(found.segment("inspect"))
        log = found.segment("log")
        assert found.distrust is not None and found.key in str(found.distrust)
    assert said.version == int(image.stem.rpartition("-")[2])
    assert (said.process.name, said.process.program) == ("golden", "/tmp/sojourn-golden.py")
    assert [frame.function for frame in seen.execution][:2] == ["<module>", "run"]
    assert {"total", "draw", "kept"} <= {each.name for each in seen.execution[1].locals}
    assert log.count(b"\n") >= 3


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.stem)
def test_its_program_goes_on(image: Path, local_cluster: LocalCluster) -> None:
    cluster = local_cluster.client
    key: str = cluster.inspect(image)["image"]["key"]
    try:
        process = cluster.thaw(image, trust=[key]).process
    except Refused as why:
        unfit = [reason for reason in why.reasons if reason.startswith("the program needs cpython")]
        if unfit and why.reasons == unfit:
            pytest.skip(unfit[0])
        raise
    try:
        ended, (out, err) = process.wait(60), process.output()
    finally:
        process.kill()
        process.rm()
    plain = subprocess.run([sys.executable, HERE / "program.py"], capture_output=True, check=True)
    assert (ended.exit_code, out, err) == (0, plain.stdout, plain.stderr)
