"""Generators in all their states: fresh, suspended, running, delegating, sent to, thrown into, finished."""


def count(limit):
    got = 0
    while got < limit:
        got += (yield got) or 1
    return "counted"


def outer():
    result = yield from count(120)
    yield result


def guarded():
    while True:
        try:
            yield "waiting"
        except KeyError as why:
            yield f"caught {why.args[0]}"
        finally:
            steps.append(1)


def tree(depth):
    if depth:
        yield from tree(depth - 1)
        yield depth
        yield from tree(depth - 1)


steps, seen = [], []
fresh, running, catcher, done = outer(), outer(), guarded(), count(0)
next(running), next(catcher), list(done)
for step, leaf in enumerate(tree(8)):
    if step < 115:
        seen.append(running.send(1))
    elif step < 130:
        seen.append(next(running, "over"))
    if step % 10 == 0:
        seen.append(catcher.throw(KeyError(step)))
        next(catcher)
    seen.append(leaf)
    squares = (number * leaf for number in range(5))
    seen.append(sum(squares))
    for _ in range(280_000):
        pass
catcher.close()
print(seen[-30:], len(seen), len(steps), next(fresh), next(done, "finished"))
