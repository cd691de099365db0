"""Regular expressions over a generated log."""

import re
import time

LINE = re.compile(
    r"(?P<host>\w+)-(?P<id>\d+) \[(?P<when>[^\]]+)\] \"(?P<verb>GET|PUT) (?P<path>/\S*)\" (\d{3})"
)
PARTS = re.compile(r"/([^/?]+)")


def main(lines=120_000):
    found, total = {}, 0
    for number in range(lines):
        verb = "PUT" if number % 3 else "GET"
        line = (
            f'web-{number % 17} [{number:06d}] "{verb} /a/{number % 50}/b?x={number}" {200 + number % 5} done'
        )
        match = LINE.search(line)
        path = match["path"]
        found[path] = found.get(path, 0) + len(PARTS.findall(path))
        total += len(re.sub(r"[aeiou]", "", match["host"]))
    return total, len(found)


if __name__ == "__main__":
    began = time.process_time()
    result = main()
    print(time.process_time() - began, result)
