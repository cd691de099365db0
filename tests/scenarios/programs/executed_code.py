"""Code run by `exec` and `eval` from a function that has run often: 3.11 then calls them from another instruction."""


def run(sources, namespace):
    for source in sources:
        exec(compile(source, "<executed>", "single", 0, True), namespace)
    return eval("wait(3) + value", namespace)


def wait(number):
    for _ in range(60_000):
        pass
    return number


totals = []
for step in range(400):
    names = {"wait": wait, "step": step}
    totals.append(run(["value = wait(step)", "for each in range(3): value += wait(each)\n"], names))
print(sum(totals), totals[:3], totals[-1])
