"""Views stay views, whatever their order, type and base."""

import numpy as np

base = np.arange(120.0).reshape(10, 12).copy()
view, back, turned = base[2:8, ::3], base[::-1], base.T
record = np.zeros(5, dtype=[("name", "U8"), ("value", "<i4")])
objects = np.array([{"a": 1}, None, "three"], dtype=object)
for step in range(400):
    view += 1
    turned[step % 12, step % 10] -= step
    record[step % 5] = (f"n{step}", step)
    for _ in range(180_000):
        pass
print(view.base is base, back.base is base, np.shares_memory(turned, base), base.sum(), back[0, 0])
print(record.tolist(), objects.tolist(), base.flags.c_contiguous, turned.flags.f_contiguous)
