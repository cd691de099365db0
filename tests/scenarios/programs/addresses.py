"""What is remembered by id() is found again: memo tables, visited sets, keys that hold an address, deepcopy's memo."""

import copy


class Node:
    def __init__(self, depth):
        self.depth = depth
        self.children = [Node(depth - 1), Node(depth - 1)] if depth else []


def nodes(node):
    yield node
    for child in node.children:
        yield from nodes(child)


tree = Node(7)
table = {id(node): node.depth for node in nodes(tree)}
visited = set(table)
pairs = {(id(node), node.depth): [id(node)] for node in tree.children}
for turn in range(900):
    found = sum(table[id(node)] == node.depth and id(node) in visited for node in nodes(tree))
    held = all(pairs[id(node), node.depth] == [id(node)] for node in tree.children)
    twice = copy.deepcopy([tree, tree, None])
    same = twice[0] is twice[1], id(None) == id(twice[2])
    print(turn, found, held, same, sum(1 for _ in nodes(twice[0])), flush=True)
