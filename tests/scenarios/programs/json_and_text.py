"""Pure-Python library code in the middle: json with indent, textwrap, difflib, string templates, argparse,
pprint.
"""

import argparse
import difflib
import json
import pprint
import string
import textwrap

parser = argparse.ArgumentParser(prog="demo", add_help=False)
parser.add_argument("--level", type=int, default=argparse.SUPPRESS)
parser.add_argument("names", nargs="*")
text = "the quick brown fox jumps over the lazy dog " * 6
total = 0
for step in range(5000):
    data = {"step": step, "list": list(range(step % 20)), "nested": {"deep": [None, True, 1.5]}}
    total += len(json.dumps(data, indent=2)) + len(json.loads(json.dumps(data))["list"])
    total += len(textwrap.fill(text, 30 + step % 20))
    total += len(list(difflib.unified_diff(text.split(), text.replace("fox", "cat").split())))
    total += len(string.Template("$a and ${b}").substitute(a=step, b="b"))
    total += len(pprint.pformat(data, width=20))
    parsed = parser.parse_args(["--level", str(step), "x"] if step % 2 else ["y", "z"])
    total += len(vars(parsed))
print(total, parsed)
