"""Sets of constants in code: marshal sorts them, a move does not. (Numbers: their hashes are the same everywhere.)"""


def nested(number):
    def inner(one):
        return one in {number, 7, 0.5, 71, 64.5, 135, 199}

    return inner, number in {8, 0.5, 16, 24, 72}


def sets(code):
    for constant in code.co_consts:
        if isinstance(constant, frozenset):
            yield list(constant)
        elif isinstance(constant, type(code)):
            yield from sets(constant)


text = """
def f(x):
    def g(y):
        return y in {{{n}, {n}.5, {m}, {k}, ({n}, 2)}}
    return x in {{{n}, {m}, .5}}
"""
made = [compile(text.format(n=n, m=n + 64, k=n * 9), "x", "exec") for n in range(40)]
orders = [list(sets(code)) for code in (*made, nested.__code__)]


def make():
    return orders, made


def check(result):
    orders, made = result
    assert [list(sets(code)) for code in (*made, nested.__code__)] == orders
