"""Source is formatted, with black (lib2to3's successor, pure where it is not compiled)."""

import textwrap

import black
import pyperf

SOURCE = textwrap.dedent(textwrap.dedent.__doc__ or "") and "\n".join(
    f"def f{n}( a,b = {n} , *c ):\n  x = {{ 'a':1 , 'b':[ 1,2,\n 3 ] }}\n  return ( lambda y : y+{n} )( a ) if a else  (yield)\n"
    for n in range(15)
)


def work():
    return black.format_str(SOURCE, mode=black.Mode(line_length=60))[-600:]


pyperf.Runner().bench_func("black_formats", work)
