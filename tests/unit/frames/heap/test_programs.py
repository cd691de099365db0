"""Each program makes objects in one process; they are checked in another one, started separately."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from heap_carrier import carry

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))
NEEDS = {"pandas_tables": "pandas", "torch_tensors": "torch"}


@pytest.fixture(params=PROGRAMS, ids=lambda path: path.stem)
def program(request: pytest.FixtureRequest) -> Path:
    needed = NEEDS.get(request.param.stem)
    if needed is not None and find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed here")
    return request.param


def test_program(program: Path, tmp_path: Path) -> None:
    carry(program.read_text(), tmp_path)


def test_program_with_deep_data(program: Path, tmp_path: Path) -> None:
    carry(program.read_text(), tmp_path, deep=3000)


def test_modules_of_the_program_travel_with_code_and_state(tmp_path: Path) -> None:
    carry(
        """
        import helper, sys
        from helper import state, Kind
        helper.counter = 7
        state["x"] = Kind()
        def make(): return helper, state
        def check(made):
            module, data = made
            assert module is helper is sys.modules["helper"] and helper.state is data is state
            assert helper.count() == 7 and type(data["x"]) is helper.Kind is Kind
            assert helper.__file__.endswith("helper.py")
            helper.counter = 8
            assert helper.count() == 8
        """,
        tmp_path,
        extra={"helper.py": "counter = 0\nstate = {}\nclass Kind: pass\ndef count(): return counter\n"},
    )
