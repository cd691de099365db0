"""Sessions with command interpreters, with cmd, code and shlex."""

import cmd
import code
import io
from contextlib import redirect_stderr, redirect_stdout

import pyperf


class Shell(cmd.Cmd):
    prompt = "> "

    def do_add(self, line):
        """add NUMBERS"""
        self.stdout.write(f"{sum(map(int, line.split()))}\n")

    def do_end(self, line):
        return True


def work():
    out = io.StringIO()
    shell = Shell(stdin=io.StringIO("add 1 2 3\nhelp add\nhelp\nwrong\nend\n"), stdout=out)
    shell.use_rawinput = False
    shell.cmdloop("welcome")
    console = code.InteractiveConsole({"out": out})
    with redirect_stdout(out), redirect_stderr(out):
        for line in (
            "x = [n * n for n in range(9)]",
            "def f(n):",
            "    return sum(x) + n",
            "",
            "f(3)",
            "1 / 0",
        ):
            console.push(line)
    return out.getvalue()


pyperf.Runner().bench_func("cmd_sessions", work)
