"""What is not in any file has its lines in linecache, which is walked over and asked, and in inspect's tables."""

import inspect
import linecache
import traceback

TEXT = "def made(n):\n    half = n // 2\n    return half / (n % 5)  # a line of no file\n"
for number in range(40):
    linecache.cache[f"<made {number}>"] = (len(TEXT), None, TEXT.splitlines(True), f"<made {number}>")
space = {}
exec(compile(TEXT, "<made 7>", "exec"), space)
seen = []
for step in range(400):
    linecache.checkcache()
    seen.append(len(linecache.cache))
    try:
        space["made"](step)
    except ZeroDivisionError:
        seen.append(len(traceback.format_exc().splitlines()))
        if step % 100 == 0:
            traceback.print_exc()
    if step % 20 == 0:
        linecache.clearcache()
        linecache.cache["<made 7>"] = (len(TEXT), None, TEXT.splitlines(True), "<made 7>")
        seen.append(inspect.getsource(space["made"]) == TEXT)
    seen.append(inspect.getmodule(inspect.getsource).__name__)
    for _ in range(60_000):
        pass
print(len(seen), hash(tuple(map(str, seen))))
