"""numpy's global generator, a Generator and its bit generator."""

import numpy as np

np.random.seed(11)
rng = np.random.default_rng(5)
children = rng.spawn(2)
total = np.zeros(4)
for step in range(400):
    total += np.random.standard_normal(4) + rng.random(4) + children[step % 2].integers(0, 10, 4)
    for _ in range(200_000):
        pass
print(total.round(9).tolist(), np.random.randint(0, 1 << 30), rng.integers(1 << 40), children[0].random())
