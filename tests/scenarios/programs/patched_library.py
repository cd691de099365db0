"""Functions and attributes of library modules that the program replaced."""

import json
import string
import textwrap

calls = []
dumps = json.dumps


def counted(value, **options):
    calls.append(len(calls))
    return "<" + dumps(value, **options) + ">"


json.dumps = counted
textwrap.TextWrapper.width_seen = 0
string.greeting = {"hello": 1}
for step in range(300):
    text = json.dumps({"step": step}, sort_keys=True)
    textwrap.TextWrapper.width_seen += len(text)
    string.greeting[step] = text
    for _ in range(240_000):
        pass
print(text, len(calls), textwrap.TextWrapper.width_seen, len(string.greeting), json.dumps is counted)
