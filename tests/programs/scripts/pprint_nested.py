"""Deep structures are printed, with pprint, reprlib and textwrap."""

import pprint
import reprlib
import textwrap

import pyperf


def work():
    deep = {
        f"key {n}": [{"numbers": list(range(n % 12)), "text": "words " * (n % 20)}, (n, {n: {n: n}})]
        for n in range(40)
    }
    text = pprint.pformat(deep, width=60, compact=True)
    return (
        text[-400:],
        reprlib.repr(deep),
        textwrap.shorten(text, 200),
        textwrap.indent(textwrap.fill(text[:800], 40), "> ")[:200],
    )


pyperf.Runner().bench_func("pprint_nested", work)
