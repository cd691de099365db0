"""Templates with inheritance, loops and macros, with jinja2."""

import jinja2
import pyperf

TEMPLATES = {
    "base": "<title>{% block title %}{% endblock %}</title>{% block body %}{% endblock %}",
    "page": """{% extends "base" %}{% macro row(cells) %}<tr>{% for c in cells %}<td>{{ c|e }}</td>{% endfor %}</tr>{% endmacro %}
{% block title %}{{ title|upper }}{% endblock %}
{% block body %}{% for each in rows|sort(attribute="1") %}{{ loop.index }} {{ row(each) }}{% endfor %}{% endblock %}""",
}


def work():
    environment = jinja2.Environment(loader=jinja2.DictLoader(TEMPLATES))
    rows = [(n, n * 7 % 50, f"<{n}>") for n in range(50)]
    return environment.get_template("page").render(title="rows", rows=rows)


pyperf.Runner().bench_func("jinja2_pages", work)
