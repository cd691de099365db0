"""A grammar for JSON, built and used, with lark."""

import json

import lark
import pyperf

GRAMMAR = r"""
    ?value: dict | list | ESCAPED_STRING -> string | SIGNED_NUMBER -> number | "true" -> true | "null" -> null
    list : "[" [value ("," value)*] "]"
    dict : "{" [pair ("," pair)*] "}"
    pair : ESCAPED_STRING ":" value
    %import common.ESCAPED_STRING
    %import common.SIGNED_NUMBER
    %import common.WS
    %ignore WS
"""
TEXT = json.dumps([{"name": f"n{n}", "values": [n, n / 2, True, None]} for n in range(40)])


def work():
    trees = [lark.Lark(GRAMMAR, start="value", parser=parser).parse(TEXT) for parser in ("lalr", "earley")]
    return [len(tree.pretty()) for tree in trees], trees[0].pretty()[:300]


pyperf.Runner().bench_func("lark_json", work)
