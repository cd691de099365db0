"""Context variables of the main context, with tokens to take them back, and a copy of the context."""

import contextvars

level = contextvars.ContextVar("level", default=0)
name = contextvars.ContextVar("name")
tokens = []
snapshot = None
for step in range(250):
    if step % 5 == 4:
        level.reset(tokens.pop())
    else:
        tokens.append(level.set(step))
    if step == 100:
        name.set("hundred")
        snapshot = contextvars.copy_context()
        name.set("later")
    for _ in range(280_000):
        pass
print(level.get(), len(tokens), name.get(), snapshot[name], snapshot.run(name.get), snapshot[level])
