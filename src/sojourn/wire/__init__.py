"""Messages as bytes, and bytes as messages. No sockets, no waiting.

`framing` cuts a byte stream into frames, `control` is what clients and nodes say to each other, `peer` is
what the two sides of a move say, `greeting` is what comes before either between members, `joining` is what
newcomers say.

Guarantee: any bytes at all give either a message that the types describe or `ProtocolError`, in bounded
memory.
"""
