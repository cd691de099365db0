"""Folders as content: a manifest that says what is in a tree, and chunks named by their BLAKE3 digest.

`manifest` holds the types and what makes a manifest acceptable (it may come from a stranger); `scan` reads a tree;
`build` makes one, or brings one up to date; `store` keeps chunks. `layout` reads an image's files and `placing` writes
them; `sight` tells whether two sides see the same ones. Clients and nodes use the same code.
"""
