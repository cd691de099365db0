"""Orders, networks, dates and colors, with graphlib, ipaddress, uuid, colorsys and zoneinfo's cousins."""

import colorsys
import graphlib
import ipaddress
import random
import uuid

import pyperf


def work():
    order = list(graphlib.TopologicalSorter({n: {n // 2, n // 3} - {n} for n in range(1, 60)}).static_order())
    nets = [
        str(net)
        for net in ipaddress.collapse_addresses(ipaddress.ip_network("10.0.0.0/25").subnets(new_prefix=29))
    ]
    rng = random.Random(4)
    return (
        order[-5:],
        nets,
        str(uuid.uuid5(uuid.NAMESPACE_DNS, "x.org")),
        [colorsys.rgb_to_hsv(*[rng.random() for _ in range(3)]) for _ in range(5)],
    )


pyperf.Runner().bench_func("graphlib_ip", work)
