import torch


def make():
    whole = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    row, turned, flat = whole[:, 1], whole.permute(2, 0, 1), whole.view(-1)
    alone = torch.nn.Parameter(torch.ones(3, 3))
    alone.grad = torch.full((3, 3), 2.0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    steps = torch.optim.Adam(model.parameters(), lr=0.01)
    model(whole[0]).sum().backward()
    steps.step()
    drawn = torch.Generator().manual_seed(5)
    torch.rand(3, generator=drawn)
    own = torch.nn.Buffer(torch.ones(2))
    own.note = "kept"
    kinds = (torch.tensor([1, 2, 3], dtype=torch.bfloat16), torch.tensor([True, False]), torch.empty(0),
             torch.tensor([1 + 2j]).conj(), torch.zeros(3, 400_000)[1], torch.float32, torch.device("cpu"), whole.shape)
    return whole, row, turned, flat, alone, model, steps, drawn, own, kinds, row.untyped_storage()


def check(made):
    whole, row, turned, flat, alone, model, steps, drawn, own, kinds, storage = made
    whole[0, 1, 2] = 77.0
    assert row[0, 2] == turned[2, 0, 1] == flat[6] == 77 and row.stride() == (12, 1)
    assert storage is whole.untyped_storage()
    assert type(alone) is torch.nn.Parameter and alone.requires_grad and alone.grad[0, 0] == 2
    assert steps.param_groups[0]["params"][0] is model[0].weight and model[0].weight.grad is not None
    steps.zero_grad()
    model(whole[0]).sum().backward()
    steps.step()
    assert steps.state[model[0].weight]["step"] == 2
    again = torch.Generator().manual_seed(5)
    torch.rand(3, generator=again)
    assert torch.equal(torch.rand(4, generator=drawn), torch.rand(4, generator=again))
    assert type(own) is torch.Tensor and own.note == "kept" and own.sum() == 2
    half, truth, empty, conjugate, large, kind, device, shape = kinds
    assert half.tolist() == [1, 2, 3] and half.dtype is torch.bfloat16 and truth.tolist() == [True, False]
    assert empty.numel() == 0 and conjugate.is_conj() and conjugate[0] == 1 - 2j and large.shape == (400_000,)
    assert kind is torch.float32 and device == torch.device("cpu") and type(shape) is torch.Size
