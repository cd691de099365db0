"""Who belongs to a cluster, and how a socket proves it.

`identity` is what a certificate says, `authority` makes certificates, `tokens` lets newcomers in, `contexts` is TLS
as we speak it, `connection` and `transport` are sockets under it. Decides nothing about who may do what: that is
`node.membership`.

Guarantee: nothing is handed out of here before the peer's certificate was checked against the cluster's authority.
"""
