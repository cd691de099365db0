"""Resources: what a program holds of its node. `log` and `streams` stand outside, `files` in a host."""
