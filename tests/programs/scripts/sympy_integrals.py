"""Integrals, limits and series, with sympy."""

import pyperf
import sympy

x = sympy.Symbol("x")


def work():
    whole = sympy.integrate(x**2 * sympy.exp(-x) * sympy.sin(x), x)
    area = sympy.integrate(1 / (1 + x**4), x)
    return (
        str(whole),
        str(area),
        str(sympy.series(sympy.cos(x) / (1 - x), x, 0, 8)),
        str(sympy.limit(sympy.sin(x) / x, x, 0)),
    )


pyperf.Runner().bench_func("sympy_integrals", work)
