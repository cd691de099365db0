"""reStructuredText as HTML, with docutils."""

import docutils.core
import pyperf

TEXT = "\n".join(
    f"""
Chapter {n}
==========

A *paragraph* with ``code``, a `link <http://example.org/{n}>`_ and a list:

- one
- **two**

======  =====
Name    Value
======  =====
a{n:<4}   {n}
======  =====
"""
    for n in range(12)
)


def work():
    whole = docutils.core.publish_string(TEXT, writer_name="html5", settings_overrides={"datestamp": None})
    return whole[-2000:]


pyperf.Runner().bench_func("docutils_html", work)
