"""The library's generator, one of the program's own, and the state between two Gaussian numbers."""

import random

random.seed(7)
own = random.Random("own")
total = 0.0
for step in range(3000):
    total += random.gauss(0, 1) + own.random()
    if step % 500 == 0:
        deck = list(range(20))
        random.shuffle(deck)
        print(deck, own.choice("abcdef"))
    for _ in range(32_000):
        pass
print(f"{total:.12f} {random.getrandbits(64)} {own.gauss(0, 1):.12f}")
