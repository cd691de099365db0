"""Plurals, ordinals and numbers as words, with inflect."""

import inflect
import pyperf


def work():
    engine = inflect.engine()
    words = ["ox", "child", "index", "knife", "phenomenon", "cherub", "mother-in-law"]
    return (
        [engine.plural(word, n) for word in words for n in (1, 2)],
        [engine.number_to_words(n * 1234) for n in range(40)],
        engine.ordinal(113),
    )


pyperf.Runner().bench_func("inflect_words", work)
