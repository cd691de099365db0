"""C calls that hold Python frames: sorted with a key, min, sum of a generator, map in list, str.join,
deepcopy.
"""

import copy
import functools
import json


def slow(value):
    for _ in range(6_000):
        pass
    return -value


class Item:
    def __init__(self, value):
        self.value = value

    def __deepcopy__(self, memo):
        for _ in range(6_000):
            pass
        return Item(self.value)


data = [7, 3, 9, 1, 12, 5]
items = [Item(value) for value in data]
out = []
for step in range(170):
    out.append(sorted(data, key=slow)[0])
    out.append(min(data, key=slow))
    out.append(sum(slow(value) for value in data))
    out.append(len(list(map(slow, data))))
    out.append(",".join(str(slow(value)) for value in data))
    out.append(copy.deepcopy(items)[-1].value)
    out.append(functools.reduce(lambda a, b: a + slow(b), data))
    out.append(json.dumps({"items": items}, default=lambda item: slow(item.value)))
    out.append(max(data, key=functools.cmp_to_key(lambda a, b: slow(b) - slow(a))))
    for _ in range(80_000):
        pass
print(out[-9:], hash(tuple(out[:4])), len(out))
