"""A package with state of its own, in several places."""

from fleet.ship import Ship

log = []
limits = {"speed": 1}
