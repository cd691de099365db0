"""Makes the golden image of the present format: `python -m tests.golden.make`, when VERSION has been raised.

Nothing of this machine but its interpreter is in it: the program stands in /tmp, with an environment that is the same
everywhere, and runs in a virtual environment without packages.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from sojourn.image.manifest import VERSION
from sojourn.testing import LocalCluster

HERE = Path(__file__).parent


def main() -> None:
    target = HERE / f"format-{VERSION}.image"
    program = Path("/tmp/sojourn-golden.py")
    shutil.copy(HERE / "program.py", program)
    bare = Path("/tmp/sojourn-golden")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    with LocalCluster(nodes=1) as local:
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/"}
        process = local.client.run(program, name="golden", python=bare, cwd="/tmp", env=environment)
        log = process.logs(follow=True)
        for _ in range(3):
            next(log)
        process.freeze(target)
        print(local.client.inspect(target)["image"])
    program.unlink()
    shutil.rmtree(bare)


if __name__ == "__main__":
    main()
