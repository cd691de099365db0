"""Large arrays, which travel beside the rest and are mapped: written to, viewed, moved again."""

import numpy as np

large = np.arange(1_500_000, dtype=np.uint32)
halves = large[: len(large) // 2], large[len(large) // 2 :]
grid = np.asfortranarray(large.reshape(1500, 1000).astype(float))
fixed = large.copy()
fixed.flags.writeable = False
raw = bytearray(3_000_000)
window = np.frombuffer(raw, dtype=np.uint16)
for step in range(400):
    large[step::997] += step
    halves[1][:10] -= 1
    grid[step % 1500, :] *= 1.5
    window[step * 7] = step
    for _ in range(250_000):
        pass
print(int(large.sum(dtype=np.uint64)), float(grid.sum()), int(fixed[-1]), fixed.flags.writeable, sum(raw))
print(
    halves[0].base is large,
    np.shares_memory(halves[1], large),
    grid.flags.f_contiguous,
)
raw[-2:] = b"\x05\x01"
print(window[-1], window[:8].tobytes() == bytes(raw[:16]))
