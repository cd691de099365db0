"""`python -m bench.threads.work PEER WORK N`: one piece of work by one way of having threads, in a process of its
own; the numbers as JSON on stdout.

Microseconds are of processor time, all threads of the process together: what it costs, whoever else is on the machine.

| work | what is measured |
|---|---|
| `create` | create, run and finish: microseconds each |
| `memory` | N alive at once, all waiting: bytes each |
| `switch` | two that only let each other run: microseconds for each switch |
| `pingpong` | an item to another and back, through two channels: microseconds one way |
| `fanin` | ten put into one channel, one gets: microseconds an item |
| `late` | N sleep 50 ms each time while 8 block in `time.sleep(0.1)` all the time: p50 and p99 of being late, in ms |
| `echo` | N connections, which ask and are answered in turn, both sides in one process: microseconds a round trip |
"""

from __future__ import annotations

import json
import resource
import sys

from bench.threads.peers import PEERS


def main() -> None:
    peer, what, count = sys.argv[1:]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(json.dumps(PEERS[peer]()(what, int(count))))


if __name__ == "__main__":
    main()
