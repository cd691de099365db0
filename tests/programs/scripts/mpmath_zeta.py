"""Zeta, Bessel and a quadrature to fifty digits, with mpmath."""

import mpmath
import pyperf


def work():
    with mpmath.workdps(50):
        return (
            str(mpmath.zeta(3)),
            str(mpmath.quad(lambda t: mpmath.exp(-(t**2)), [0, 2])),
            str(mpmath.besselj(2, 3.5)),
            str(mpmath.findroot(lambda t: mpmath.cos(t) - t, 0.7)),
        )


pyperf.Runner().bench_func("mpmath_zeta", work)
