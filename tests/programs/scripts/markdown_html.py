"""Markdown as HTML, with Python-Markdown."""

import markdown
import pyperf

TEXT = "\n".join(
    f"# Title {n}\n\nSome *text* with `code` and [a link](http://x/{n}).\n\n1. one\n2. two\n\n| a | b |\n|---|---|\n| {n} | x |\n"
    for n in range(25)
)


def work():
    return markdown.markdown(TEXT, extensions=["tables", "toc", "fenced_code"])[-1500:]


pyperf.Runner().bench_func("markdown_html", work)
