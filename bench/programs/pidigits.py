"""Digits of pi by a spigot: big integers."""

import itertools
import time


def digits():
    q, r, t = 1, 0, 1
    for k in itertools.count(1):
        q, r, t = q * k, (2 * q + r) * (2 * k + 1), t * (2 * k + 1)
        if q <= r:
            digit = (3 * q + r) // t
            if digit == (4 * q + r) // t:
                yield digit
                q, r = 10 * q, 10 * (r - digit * t)


def main(count=3400):
    return sum((place + 1) * digit for place, digit in enumerate(itertools.islice(digits(), count)))


if __name__ == "__main__":
    began = time.process_time()
    result = main()
    print(time.process_time() - began, result)
