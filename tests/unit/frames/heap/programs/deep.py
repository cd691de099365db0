"""Nesting that no recursion limit allows."""


class C:
    pass


def make():
    l = []
    for i in range(50000):
        l = [i, l]
    t = None
    for i in range(50000):
        t = (i, t)
    d = {}
    for i in range(50000):
        d = {"k": d}
    m = None
    for i in range(20000):
        c = C()
        c.a = [(m, {"x": c})]
        m = c
    sh = (1, (2, 3))
    return l, t, d, m, [sh, sh[1], (sh[1], sh)]


def check(r):
    l, t, d, m, s = r
    n = 0
    while l:
        n += 1
        l = l[1]
    assert n == 50000
    n = 0
    while t:
        n += 1
        t = t[1]
    assert n == 50000
    n = 0
    while d:
        n += 1
        d = d["k"]
    assert n == 50000
    n = 0
    while m:
        n += 1
        assert m.a[0][1]["x"] is m
        m = m.a[0][0]
    assert n == 20000
    assert s[0][1] is s[1] and s[2][0] is s[1] and s[2][1] is s[0] and s[0] == (1, (2, 3))
