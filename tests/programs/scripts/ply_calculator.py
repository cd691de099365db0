"""A calculator by lex and yacc, with ply."""

import pyperf
from ply import lex, yacc

tokens = ("NUMBER", "PLUS", "TIMES", "LEFT", "RIGHT")
t_PLUS, t_TIMES, t_LEFT, t_RIGHT, t_ignore = r"\+", r"\*", r"\(", r"\)", " "


def t_NUMBER(t):
    r"\d+"
    t.value = int(t.value)
    return t


def t_error(t):
    t.lexer.skip(1)


precedence = (("left", "PLUS"), ("left", "TIMES"))


def p_binary(p):
    """e : e PLUS e
    | e TIMES e"""
    p[0] = p[1] + p[3] if p[2] == "+" else p[1] * p[3]


def p_group(p):
    "e : LEFT e RIGHT"
    p[0] = p[2]


def p_number(p):
    "e : NUMBER"
    p[0] = p[1]


def p_error(p):
    raise SyntaxError(p)


def work():
    parser = yacc.yacc(write_tables=False, debug=False)
    return parser.parse(" + ".join(f"({n} * (3 + {n}))" for n in range(150)), lexer=lex.lex())


pyperf.Runner().bench_func("ply_calculator", work)
