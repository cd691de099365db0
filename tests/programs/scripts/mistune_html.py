"""Markdown as HTML, with mistune."""

import mistune
import pyperf

TEXT = "\n".join(
    f"# Title {n}\n\nSome **text** with `code`[^1] and ![an image](x{n}.png).\n\n- one\n    - two\n\n> quoted {n}\n"
    for n in range(40)
)


def work():
    return mistune.create_markdown(plugins=["footnotes", "table", "strikethrough"])(TEXT)[-1500:]


pyperf.Runner().bench_func("mistune_html", work)
