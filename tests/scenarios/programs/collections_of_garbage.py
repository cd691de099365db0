"""The garbage collector: thresholds, callbacks of finalizers, cycles with __del__ that end at their time."""

import gc


class Ending:
    ended = 0

    def __init__(self):
        self.me = self

    def __del__(self):
        Ending.ended += 1


gc.set_threshold(500, 5, 5)
for step in range(250):
    Ending()
    if step % 50 == 49:
        gc.collect()
    for _ in range(140_000):
        pass
gc.collect()
print(Ending.ended, gc.get_threshold(), gc.isenabled(), gc.garbage)
