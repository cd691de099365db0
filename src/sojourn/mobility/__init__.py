"""Driving a move: `source` and `target` carry out what the tables of `model.move` say, over one connection
(`link`).

`points` are the named places at which a test may hold a move, to break something exactly there.
"""
