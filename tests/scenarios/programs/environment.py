"""os.environ, the working directory, the umask."""

import os
import subprocess
import sys

os.makedirs("inner/most")
print("made", flush=True)
os.environ["SCENARIO"] = "0"
os.environ.pop("LANG", None)
os.umask(0o027)
os.chdir("inner")
for step in range(300):
    os.environ["SCENARIO"] = str(int(os.environ["SCENARIO"]) + step)
    if step == 150:
        os.chdir("most")
    for _ in range(240_000):
        pass
here = os.getcwd()
with open("made-here", "w"):
    pass
told = subprocess.run(
    [sys.executable, "-c", "import os; print(os.environ['SCENARIO'], 'LANG' in os.environ)"],
    capture_output=True,
    text=True,
).stdout
print(here.endswith("inner/most"), oct(os.stat("made-here").st_mode), os.getenv("SCENARIO"), told.strip())
