"""What of PyTorch cannot travel is named. Only where it is installed."""

from __future__ import annotations

from typing import Any

import pytest

from sojourn.errors import Unmovable
from sojourn.frames import heap

torch: Any = pytest.importorskip("torch", reason="torch is not installed here")
numpy: Any = pytest.importorskip("numpy", reason="numpy is not installed here")


def test_memory_of_another_object_and_graphs_are_refused() -> None:
    graph = torch.ones(2, requires_grad=True) * 2
    for thing, why, advice in (
        (torch.from_numpy(numpy.ones(3)), "belongs to another object", ".clone()"),
        (graph, "graph to be differentiated", "backward()"),
        (torch.ones(2, 2).to_sparse(), "not plain", "strided"),
        (torch.empty(2, device="meta"), "device of this machine", ".cpu()"),
    ):
        with pytest.raises(Unmovable) as caught:
            heap.dump([[thing]])
        assert why in caught.value.message and advice in (caught.value.advice or "")
