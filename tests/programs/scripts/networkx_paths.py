"""Shortest paths, centrality and communities, with networkx."""

import networkx
import pyperf


def work():
    graph = networkx.connected_watts_strogatz_graph(60, 6, 0.3, seed=5)
    central = networkx.betweenness_centrality(graph)
    parts = networkx.community.greedy_modularity_communities(graph)
    lengths = dict(networkx.all_pairs_shortest_path_length(graph))
    return (
        sorted(central.items())[:5],
        [sorted(part) for part in parts],
        sum(map(len, lengths.values())),
        networkx.diameter(graph),
    )


pyperf.Runner().bench_func("networkx_paths", work)
