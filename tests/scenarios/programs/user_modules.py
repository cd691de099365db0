"""User modules with state in globals, in class attributes and in a lazily imported submodule."""

import fleet

crew = []
for step in range(300):
    ship = fleet.Ship(f"ship-{step}")
    fleet.limits["speed"] += step % 3
    crew.append(ship.sail())
    if step == 150:
        import fleet.ship

        fleet.ship.Ship.captain = "Ahab"
    for _ in range(240_000):
        pass
print(fleet.Ship.built, len(fleet.Ship.names), fleet.Ship.captain, fleet.limits, fleet.log[-1], sum(crew))
print(fleet.ship.Ship is fleet.Ship, type(ship) is fleet.Ship, ship.sail.__func__ is fleet.Ship.sail)
