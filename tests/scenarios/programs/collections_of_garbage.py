"""The garbage collector's settings, and finalizers that run at their time: by count, in a cycle, at the end."""

import gc


class Ending:
    ended = 0

    def __init__(self, cycle):
        self.me = self if cycle else None

    def __del__(self):
        Ending.ended += 1


gc.set_threshold(500, 5, 5)
kept = Ending(cycle=True)
for step in range(250):
    Ending(cycle=False)
    for _ in range(280_000):
        pass
    passing = Ending(cycle=True)
    del passing
    gc.collect()
print(Ending.ended, gc.get_threshold(), gc.isenabled(), gc.garbage)
kept.me = None
del kept
print(Ending.ended)
