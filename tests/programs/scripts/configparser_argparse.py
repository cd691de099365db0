"""Settings and arguments, with configparser, argparse, shlex and string.Template."""

import argparse
import configparser
import io
import shlex
import string

import pyperf


def work():
    settings = configparser.ConfigParser(interpolation=configparser.ExtendedInterpolation())
    settings.read_string(
        "".join(f"[s{n}]\nbase = {n}\nvalue = ${{base}}/${{s{n // 2}:base}}\n" for n in range(30))
    )
    out = io.StringIO()
    settings.write(out)
    parser = argparse.ArgumentParser(prog="tool", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--level", type=int, choices=range(4), default=1, help="how much")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("run").add_argument("names", nargs="+")
    given = parser.parse_args(shlex.split("--level 3 run 'a b' c"))
    return (
        [settings[each]["value"] for each in settings.sections()],
        len(out.getvalue()),
        vars(given),
        parser.format_help(),
        string.Template("$a-${b}").substitute(a=1, b=2),
    )


pyperf.Runner().bench_func("configparser_argparse", work)
