# ruff: noqa
"""Ends without finalization, with output still in the buffer."""

import os

print("lost")
print("kept", flush=True)
os._exit(7)
