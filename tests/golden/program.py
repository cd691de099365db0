"""What the golden images were frozen from: a generator in a loop in a call, with something of everything in hand."""


def numbers(limit):
    kept = {"text": "ünïcode", "bytes": b"\x00\xff", "nested": [(1, 2.5), {3, 4}]}
    for number in range(limit):
        kept["last"] = number
        yield number, kept


def run(limit):
    total, draw = 0, iter("abcdefghijkl")
    for number, kept in numbers(limit):
        total += number % 7
        if number % 1_000_000 == 0:
            print(number, total, next(draw), sorted(map(str, kept)), flush=True)
    return total


print("total", run(8_000_000))
