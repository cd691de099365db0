"""Who runs what, where: records with compare-and-set, leases, and a watch over both.

`registry` is the interface, `nats_kv` the engine behind it, `server` the embedded NATS server, `directory`
a node's own copy of what the registry holds, which stays readable while the control plane is away.
"""
