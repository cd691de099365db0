"""The figures of the specification, measured: `python -m bench`, or `python -m bench moves ps` for some of
them.

Every figure is a ratio against a floor that is measured in the same run and interleaved with it, so that a
slow or busy machine slows both sides; what is reported are medians. Nothing here asserts: a figure that
misses its promise is printed as missed, since a shared machine's timing is no reason to fail a build.

`figure` is the table of results; `overhead`, `moves`, `memory`, `commands` and their like measure; `programs` are what
they run.
"""
