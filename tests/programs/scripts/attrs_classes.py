"""Classes are made, compared, evolved and turned into dicts, with attrs."""

import attrs
import pyperf


def work():
    @attrs.define(order=True, slots=True)
    class Point:
        x: int = attrs.field(converter=int, validator=attrs.validators.ge(0))
        y: int = attrs.field(default=0, on_setattr=attrs.setters.validate)
        tags: list = attrs.field(factory=list, eq=False)

    @attrs.frozen
    class Named:
        name: str
        at: Point

    made = [Named(f"n{n}", Point(str(n % 9), n, ["t"] * (n % 3))) for n in range(60)]
    moved = [attrs.evolve(each, at=attrs.evolve(each.at, x=1)) for each in made]
    return (
        [attrs.asdict(each) for each in moved[:3]],
        len({(each.name, each.at.x) for each in made}),
        repr(max(made, key=lambda each: each.at)),
    )


pyperf.Runner().bench_func("attrs_classes", work)
