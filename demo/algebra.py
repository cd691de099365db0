"""The program that is moved: an afternoon of computer algebra with sympy, which knows nothing of Sojourn.

Integrals, factorizations, Groebner bases, limits, sums, series, linear algebra over symbols: deep stacks of
pure Python, caches, generators, memo tables. It prints every result as it comes.
"""

import sys
import time

import sympy
from sympy import I, Rational, Symbol, cos, exp, log, oo, pi, sin, sqrt, symbols
from sympy.abc import a, b, k, n, t, x, y, z


def integrals():
    for power in range(1, 5):
        yield f"integral of x**{power} sin(x) exp(-x)", sympy.integrate(x**power * sin(x) * exp(-x), x)
    yield "integral of a rational function", sympy.integrate((x**3 + 2) / ((x**2 + 1) * (x - 3) ** 2), x)
    yield "integral of log(x)**3", sympy.integrate(log(x) ** 3, x)
    yield "a definite one", sympy.integrate(exp(-(x**2)), (x, -oo, oo))
    yield "and by parts", sympy.integrate(x**2 * log(x + 1), (x, 0, 1))


def factorizations():
    for degree in (12, 18, 24, 30):
        yield f"x**{degree} - 1", sympy.factor(x**degree - 1)
    polynomial = sympy.expand((x**2 + y - 3) * (x * y**2 + 5 * y + z) * (x + z**2 - y) ** 2)
    yield "in three variables", sympy.factor(polynomial)
    yield "over the Gaussian integers", sympy.factor(x**8 + 4, extension=I)
    yield "its greatest common divisor", sympy.gcd(polynomial, sympy.expand((x + z**2 - y) * (x - 7 * y + 1)))


def bases():
    circle, hyperbola, plane = x**2 + y**2 + z**2 - 4, x * y - z, x + y + z - Rational(1, 2)
    yield "Groebner, lex", sympy.groebner([circle, hyperbola, plane], x, y, z, order="lex").exprs
    cyclic = [
        x + y + z + t,
        x * y + y * z + z * t + t * x,
        x * y * z + y * z * t + z * t * x + t * x * y,
        x * y * z * t - 1,
    ]
    yield "Groebner, cyclic 4", sympy.groebner(cyclic, x, y, z, t, order="grevlex").exprs


def solutions():
    yield "a cubic", sympy.solve(x**3 - 6 * x**2 + 11 * x - 6, x)
    yield "a quartic", sympy.solve(x**4 - 10 * x**2 + 1, x)
    yield "a system", sympy.solve([x**2 + y**2 - 25, x * y - 12], [x, y])
    f = sympy.Function("f")
    yield (
        "a differential equation",
        sympy.dsolve(f(x).diff(x, 2) + 2 * f(x).diff(x) + 5 * f(x) - sin(x), f(x)),
    )


def sums():
    yield "Faulhaber", sympy.factor(sympy.summation(k**5, (k, 1, n)))
    yield "Basel", sympy.summation(1 / k**2, (k, 1, oo))
    yield "a limit", sympy.limit((sin(x) - x * cos(x)) / x**3, x, 0)
    yield "another", sympy.limit((1 + a / x) ** (b * x), x, oo)
    yield "a series", sympy.series(exp(sin(x)) * sqrt(1 + x), x, 0, 9)


def matrices():
    size = 4
    entries = symbols(f"m:{size * size}")
    matrix = sympy.Matrix(size, size, entries)
    yield "a determinant, in terms", len(sympy.expand(matrix.det()).args)
    hilbert = sympy.Matrix(6, 6, lambda i, j: Rational(1, i + j + 1))
    yield "an inverse", hilbert.inv()[5, 5]
    yield "eigenvalues", sorted(map(str, sympy.Matrix([[2, 1, 0], [1, 3, 1], [0, 1, 2]]).eigenvals()))
    yield "characteristic polynomial", sympy.factor((hilbert * 420).charpoly(x).as_expr())


def simplifications():
    theta = Symbol("theta", real=True)
    for times in (3, 5, 7):
        yield f"cos({times} theta)", sympy.expand_trig(cos(times * theta))
    yield "trigonometric", sympy.trigsimp(sin(x) ** 4 + 2 * sin(x) ** 2 * cos(x) ** 2 + cos(x) ** 4)
    yield "nested roots", sympy.sqrtdenest(sqrt(5 + 2 * sqrt(6)))
    yield "partial fractions", sympy.apart((x**4 + 1) / (x * (x**2 + 1) ** 2), x)
    yield "an exact value", sympy.simplify(sympy.cos(pi / 5) * 4 - 1)


def main(rounds):
    began = time.monotonic()
    for number in range(1, rounds + 1):
        for chapter in (integrals, factorizations, bases, solutions, sums, matrices, simplifications):
            for what, result in chapter():
                print(f"{number}.{chapter.__name__}: {what}: {result}", flush=True)
        sympy.core.cache.clear_cache()
    print(f"took {time.monotonic() - began:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
