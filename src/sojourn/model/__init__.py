"""Decisions without I/O: process states, the move, leases, placement. Tables and pure functions, standard
library only.

Everything here takes what happened and answers what to do. Nothing here waits, reads a clock or sends a
byte, so that each rule can be tested cell by cell and simulated under faults (tests/unit/model).
"""
