"""The table of what is known to keep a program: every row says why and what to do, and names are found in parts."""

from sojourn.model.obstacles import CALLS, IMPORTS, of_call, of_import


def test_each_says_why_and_what_to_do() -> None:
    for name, obstacle in (IMPORTS | CALLS).items():
        assert obstacle.why and not obstacle.why.endswith("."), name
        assert len(obstacle.advice.split()) > 2 and not obstacle.advice.endswith("."), name


def test_a_module_is_found_by_its_package() -> None:
    assert of_import("multiprocessing.pool") is IMPORTS["multiprocessing"]
    assert of_import("dask.distributed.client") is IMPORTS["dask.distributed"] and of_import("dask.array") is None
    assert of_call("asyncio.run") is None, "such programs move"
    assert of_call("subprocess.run") is CALLS["subprocess.run"]
