"""Text files that stand on bytes in memory: what waits in them has not been seen below yet, and is not lost."""

import contextlib
import csv
import io
import xml.etree.ElementTree as ElementTree

below = io.BytesIO()
above = io.TextIOWrapper(below, "utf-8", errors="xmlcharrefreplace", newline="\r\n")
rows = csv.writer(above)
captured = io.TextIOWrapper(io.BytesIO(), "ascii", errors="backslashreplace")
seen = []
root = ElementTree.Element("root")
for step in range(60):
    rows.writerow([step, "é" * (step % 4), "a word"])
    with contextlib.redirect_stdout(captured):
        print("step", step, "→")
    seen.append((len(below.getvalue()), len(captured.buffer.getvalue())))
    element = ElementTree.SubElement(root, f"number{step}", value=str(step))
    element.text = "é" * 300
    for _ in range(500_000):
        pass
    text = ElementTree.tostring(root, encoding="utf8")  # writes through such a file too
    seen.append((len(text), sum(text)))
taken = captured.detach()
print(seen)
above.flush()
print(below.getvalue())
print(taken.getvalue())
try:
    captured.write("more")
except ValueError as error:
    print(error)
