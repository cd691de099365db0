"""Pancake flips over all permutations: list slices and integer tests."""

import time


def main(n=9):
    order, left = list(range(n)), [0] * n
    turn, most, total = n, 0, 0
    while True:
        while turn > 1:
            left[turn - 1] = turn
            turn -= 1
        cards, flips = order[:], 0
        while first := cards[0]:
            cards[: first + 1] = cards[first::-1]
            flips += 1
        most = max(most, flips)
        total += flips
        while True:
            if turn == n:
                return most, total
            order.insert(turn, order.pop(0))
            left[turn] -= 1
            if left[turn] > 0:
                break
            turn += 1


if __name__ == "__main__":
    began = time.process_time()
    result = main()
    print(time.process_time() - began, result)
