"""Frames below operators, attribute access, iteration, comparison, with, and calls of user-defined kinds."""


def work():
    for _ in range(36_000):
        pass


class Number:
    def __init__(self, value):
        work()
        self.value = value

    def __add__(self, other):
        work()
        return Number(self.value + other.value) if isinstance(other, Number) else NotImplemented

    def __radd__(self, other):
        work()
        return Number(other + self.value)

    def __lt__(self, other):
        work()
        return self.value < other.value

    def __getattr__(self, name):
        work()
        if name.startswith("dynamic"):
            return f"{name} {self.value}"
        raise AttributeError(name)

    def __getitem__(self, key):
        work()
        if key > 3:
            raise IndexError
        return self.value * key

    def __len__(self):
        work()
        return 4

    def __bool__(self):
        work()
        return self.value % 2 == 0

    def __call__(self, *args):
        work()
        return sum(args) + self.value

    def __enter__(self):
        work()
        return self

    def __exit__(self, kind, value, trace):
        work()
        return kind is ValueError

    def __iter__(self):
        work()
        yield from (self.value, self.value + 1)

    def __contains__(self, item):
        work()
        return item == self.value

    @property
    def half(self):
        work()
        return self.value / 2

    def __format__(self, spec):
        work()
        return f"<{self.value}{spec}>"


total = 0
for step in range(160):
    number = Number(step)
    number = number + Number(1)
    number = 2 + number
    with number as inside:
        if step % 5 == 0:
            raise ValueError
        total += inside(1, 2)
    total += len(number) + number[2] + number.half + sum(number) + (step in number)
    total += 1 if number else 2
    text = f"{number:>x} {number.dynamic_part}"
    low, *_, high = number
    total += low * high if Number(1) < number else 0
    try:
        number.missing
    except AttributeError:
        total += 1
print(total, text)
