"""The daemon: one per computer (or several side by side, in an embedded cluster). It keeps host processes,
answers control requests, renews its lease, and carries moves out. The only room that wires the others
together.

`cluster` starts and ends an embedded cluster; `daemon` is one node; `talk` is the control protocol over a
connection; `peers` the doors between nodes; `operations` what can be asked; `processes` what runs here;
`tenure` leases and what follows from those of others.
"""
