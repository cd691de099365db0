"""numpy: views stay views, memory stays shared, generators go on."""

import numpy as np


class Unit(np.ndarray):
    pass


def make():
    m = {"generator": np.random.default_rng(3), "legacy": np.random.RandomState(5)}
    m["next"] = (np.random.default_rng(3).random(3), np.random.RandomState(5).random_sample(3))
    m["big"] = np.arange(400_000.0)
    m["view"] = m["big"][10:1000:3]
    m["back"] = m["big"][::-1]
    m["matrix"] = m["big"][:10000].reshape(100, 100).T
    m["small"] = np.arange(10)
    m["part"] = m["small"][::-1]
    m["objects"] = np.array([1, "a", m["small"]], dtype=object)
    m["several"] = np.array([1, [2], None, {}], dtype=object)
    m["part of several"], m["turned"] = m["several"][1:], m["several"].reshape(2, 2).T
    m["several"][0] = m["part of several"]
    m["mixed"] = np.zeros(3, dtype=[("x", "i4"), ("o", "O")])
    m["numbers of mixed"], m["objects of mixed"] = m["mixed"]["x"], m["mixed"]["o"]
    m["flat"] = m["matrix"].flat
    m["seen"] = memoryview(m["small"][::2])
    next(m["flat"])
    m["records"] = np.zeros(3, dtype=[("a", "i4"), ("b", "f8")])
    m["fixed"] = np.arange(5)
    m["fixed"].flags.writeable = False
    m["borrowed"] = np.frombuffer(b"abcdefgh", dtype="u1")
    m["fortran"] = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    m["scalar"] = np.float64(2.5)
    m["dtype"] = np.dtype("f4")
    m["ufunc"] = np.add
    m["empty"] = np.zeros((0, 3))
    m["unit"] = np.arange(3.0).view(Unit)
    m["unit"].name = "m"
    m["zero"] = np.array(5)
    m["strings"] = np.array(["a", "bc"])
    m["dates"] = np.array(["2020-01-01"], dtype="M8[D]")
    return m


def check(m):
    assert (m["generator"].random(3) == m["next"][0]).all() and (
        m["legacy"].random_sample(3) == m["next"][1]
    ).all()
    m["big"][10] = 77
    assert m["view"][0] == 77 and m["back"][-11] == 77
    m["matrix"][1, 0] = 5
    assert m["big"][1] == 5
    m["small"][9] = 3
    assert (
        m["part"][0] == 3
        and m["part"].base is m["small"]
        and m["objects"][2] is m["small"]
        and m["small"].flags.owndata
    )
    assert (
        m["records"].dtype.names == ("a", "b") and not m["fixed"].flags.writeable and m["borrowed"][1] == 98
    )
    several, part = m["several"], m["part of several"]
    part[0], m["turned"][1, 1] = "new", "last"
    assert several[1] == "new" and several[3] == "last" and several[0] is part and part.base is several
    m["numbers of mixed"][1], m["objects of mixed"][2] = 7, [1]
    assert m["mixed"].tolist() == [(0, 0), (7, 0), (0, [1])]
    assert m["flat"].index == 1 and next(m["flat"]) == m["matrix"][0, 1] and m["seen"].tolist() == [0, 2, 4, 6, 8]
    assert (
        m["fortran"].flags.f_contiguous
        and m["fortran"][2, 1] == 9
        and m["scalar"] == 2.5
        and m["dtype"] == np.dtype("f4")
    )
    assert (
        m["ufunc"] is np.add
        and m["empty"].shape == (0, 3)
        and type(m["unit"]) is Unit
        and m["unit"].name == "m"
        and m["unit"][2] == 2
    )
    assert (
        m["zero"] == 5
        and m["zero"].shape == ()
        and m["strings"][1] == "bc"
        and str(m["dates"][0]) == "2020-01-01"
    )
