"""Nested arithmetic, with pyparsing."""

import pyparsing as pp
import pyperf

pp.ParserElement.enable_packrat()
number = pp.Word(pp.nums).set_parse_action(lambda found: int(found[0]))
expression = pp.infix_notation(
    number,
    [
        (pp.one_of("* /"), 2, pp.OpAssoc.LEFT),
        (pp.one_of("+ -"), 2, pp.OpAssoc.LEFT),
        (pp.Literal("^"), 2, pp.OpAssoc.RIGHT),
    ],
)


def work():
    text = " + ".join(f"({n} * (2 ^ {n % 5}) - {n})" for n in range(30))
    return expression.parse_string(text, parse_all=True).as_list()


pyperf.Runner().bench_func("pyparsing_arithmetic", work)
