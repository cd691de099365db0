"""Ids, the clock, descriptors and the framed channel. Inside code: standard library only, nothing heavy."""
