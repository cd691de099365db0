"""Files being written: buffered and not flushed, appending, read and write, two names of one file."""

out = open("out", "w", encoding="utf-8")
log = open("log", "ab")
both = open("both", "w+b")
both.write(b"." * 1000)
same = out
for step in range(300):
    out.write(f"line {step}\n")
    log.write(bytes([step % 256]))
    if step % 10 == 0:
        log.flush()
    both.seek(step * 3)
    both.write(b"%03d" % step)
    for _ in range(240_000):
        pass
print("end", file=same)
both.seek(30)
print(both.read(9), out.tell(), log.tell(), same is out)
out.close(), log.close(), both.close()
with open("out") as written, open("log", "rb") as logged, open("both", "rb") as mixed:
    print(len(written.read()), sum(logged.read()), mixed.read()[-12:])
