"""Two texts as a unified diff, an HTML page and ratios, with difflib."""

import difflib

import pyperf

ONE = [f"line {n} of {n % 7} some words\n" for n in range(90)]
TWO = [line.replace("some", "many") if n % 9 == 4 else line for n, line in enumerate(ONE) if n % 11] + [
    "end\n"
]


def work():
    page = difflib.HtmlDiff(wrapcolumn=40).make_table(ONE[:40], TWO[:40], context=True)
    return (
        list(difflib.unified_diff(ONE, TWO)),
        len(page),
        list(difflib.ndiff(ONE[:30], TWO[:30]))[-5:],
        difflib.get_close_matches("wrods", ["words", "swords", "word"]),
    )


pyperf.Runner().bench_func("difflib_pages", work)
