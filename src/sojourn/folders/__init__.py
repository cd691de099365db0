"""Folders as content: a manifest that says what is in a tree, and chunks named by their BLAKE3 digest.

`manifest` holds the types and what makes a manifest acceptable (it may come from a stranger); `scan` reads a tree;
`build` makes one, or brings one up to date; `store` keeps chunks. Clients and nodes use the same code.
"""
