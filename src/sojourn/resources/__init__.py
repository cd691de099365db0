"""Resources: what a program holds of its node, and what holds it.

`log`, `streams`, `terminal`, `unread`, `limits` and `cgroups` stand outside; `files`, `fileobjects`, `buffers` and
`standard` in a host.
"""
