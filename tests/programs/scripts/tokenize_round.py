"""Source is cut into tokens and put together again, with tokenize."""

import inspect
import io
import textwrap
import tokenize

import pyperf


def work():
    source = inspect.getsource(textwrap)
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    return len(tokens), tokenize.untokenize(tokens) == source, [str(token[:2]) for token in tokens[-5:]]


pyperf.Runner().bench_func("tokenize_round", work)
