"""atexit callbacks, in reverse order of their registration, with arguments and one taken back."""

import atexit


class Keeper:
    def __init__(self):
        self.count = 0

    def tell(self, word, *, end):
        print(word, self.count, end=end)


keeper = Keeper()
atexit.register(print, "last")
atexit.register(keeper.tell, "kept", end="!\n")
unwanted = atexit.register(lambda: print("never"))
for step in range(300):
    keeper.count += 1
    if step == 200:
        atexit.unregister(unwanted)
        atexit.register(print, "registered late")
    for _ in range(240_000):
        pass
print("done")
