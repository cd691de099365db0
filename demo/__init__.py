"""The demo: sympy computes while it moves round three nodes; `make demo`."""
