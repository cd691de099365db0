"""Tag soup is parsed and serialized, with html5lib."""

import html5lib
import pyperf

SOUP = "<title>x</title>" + "".join(
    f"<p>par {n}<b>bold<i>both</b>italic<table><tr><td>{n}<td>x</table><img src=x{n}>" for n in range(25)
)


def work():
    return html5lib.serialize(html5lib.parse(SOUP), quote_attr_values="always")[-600:]


pyperf.Runner().bench_func("html5lib_tree", work)
