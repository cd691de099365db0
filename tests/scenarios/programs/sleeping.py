"""Most of its time in time.sleep; the sleeps add up to what was asked for and not much more."""

import time

began = time.monotonic()
order = []
for step in range(30):
    time.sleep(0.07)
    order.append(step)
slept = time.monotonic() - began
print(order, slept >= 30 * 0.07)
