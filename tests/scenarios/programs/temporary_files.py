"""A temporary directory and a named temporary file, cleaned up by their finalizers."""

import os
import tempfile
import weakref

folder = tempfile.TemporaryDirectory(dir=".")
named = tempfile.NamedTemporaryFile(dir=".", mode="w+", suffix=".txt")


class Resource:
    pass


resource = Resource()
finalizer = weakref.finalize(resource, print, "finalized")
for step in range(250):
    with open(os.path.join(folder.name, f"file-{step % 10}"), "a") as file:
        file.write(str(step))
    named.write(f"{step} ")
    for _ in range(280_000):
        pass
named.flush()
print(len(os.listdir(folder.name)), os.path.getsize(named.name), finalizer.alive)
del resource
path = named.name
named.close()
folder.cleanup()
print(os.path.exists(path), os.path.exists(folder.name))
