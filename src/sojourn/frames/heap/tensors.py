# pyright: basic
# (objects of PyTorch, which is never imported here)
"""PyTorch on the processor: tensors with the storage that they share, parameters, and their gradients.

Theory. A tensor is a view of a storage: an offset, a size and strides. Storages travel with their memory, and tensors
are made over them again, so those that shared memory share it. Attributes of tensors, and of PyTorch's own classes over
them (`Parameter`), are kept like any other's.

What cannot be had: memory of a device; a tensor in the middle of a graph to be differentiated, whose graph is in C;
memory that belongs to another object (`torch.from_numpy`) or other processes; layouts other than strided ones.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from .contents import content_of
from .dumper import LARGE, Dumper, Refuse
from .registry import constructor, reduces

_TENSOR, _STORAGE = "torch._C.TensorBase", "torch._C.StorageBase"


@content_of(_STORAGE)
def _storage(storage: Any, cls: type, dumper: Dumper) -> Any:
    if storage.device.type != "cpu":
        why = f"it is memory of a device of this machine ({storage.device})"
        raise Refuse(storage, why, "copy it with .cpu() first")
    if storage.is_shared():
        raise Refuse(storage, "it is memory that other processes share", "copy it with .clone() before the move")
    if not storage.resizable():
        why = "its memory belongs to another object (an array that a tensor was made from, or a file)"
        raise Refuse(storage, why, "copy the tensor with .clone()")
    size = storage.nbytes()
    memory: Any = (ctypes.c_char * size).from_address(storage.data_ptr() or ctypes.addressof(_EMPTY))
    memory.owner = storage  # lives as long as somebody reads it
    taken = dumper.large(memory) if size >= LARGE else None
    return tensor_storage, (cls, size, memory.raw if taken is None else taken)


_EMPTY = ctypes.c_char()


@constructor
def tensor_storage(cls: Any, size: int, content: Any) -> Any:
    made = cls(size)
    if size:
        memory = (ctypes.c_char * size).from_address(made.data_ptr())
        memoryview(memory).cast("B")[:] = memoryview(content).cast("B")
    return made


@content_of(_TENSOR)
def _tensor(tensor: Any, cls: type, dumper: Dumper) -> Any:
    torch = sys.modules["torch"]
    with torch._C.DisableTorchFunctionSubclass():
        if tensor.device.type != "cpu":
            why = f"it is in memory of a device of this machine ({tensor.device})"
            raise Refuse(tensor, why, "copy it with .cpu() before the move, and back after")
        plain = tensor.layout is torch.strided and not tensor.is_quantized and not tensor.is_inference()
        if not plain or any(getattr(tensor, "names", ())):
            raise Refuse(tensor, f"its layout is not plain ({tensor.layout})", "keep a strided, unnamed tensor")
        if tensor.grad_fn is not None:
            why = "it is in the middle of a graph to be differentiated, which is kept in C"
            raise Refuse(tensor, why, "call backward() before the move, or keep .detach() of it")
        storage = tensor.untyped_storage()
        dumper.keep.append(storage)
        if tensor.grad is not None:
            dumper.later(fill_gradient, tensor, tensor.grad)
        flags = (tensor.requires_grad, tensor.is_conj(), tensor.is_neg())
        place = (tensor.storage_offset(), tuple(tensor.shape), tensor.stride())
        return storage_view, (cls, tensor.dtype, storage, *place, *flags)


@constructor
def storage_view(
    cls: Any, dtype: Any, storage: Any, offset: int, size: Any, strides: Any, differentiate: bool, conjugate: bool,
    negative: bool,
) -> Any:  # fmt: skip
    torch = sys.modules["torch"]
    made = torch.empty((0,), dtype=dtype)
    made.set_(storage, offset, size, strides)
    if conjugate:
        made = torch._C._conj(made) if hasattr(torch._C, "_conj") else torch._conj(made)
    if negative:
        made = torch._neg_view(made)
    if cls is torch.Tensor:
        return made.requires_grad_(differentiate)
    return torch.Tensor._make_subclass(cls, made, differentiate)


@constructor
def fill_gradient(tensor: Any, gradient: Any) -> None:
    sys.modules["torch"].Tensor.grad.__set__(tensor, gradient)


@reduces("torch._C.Generator")
def _reduce_generator(generator: Any, dumper: Dumper) -> Any:
    if generator.device.type != "cpu":
        raise Refuse(generator, f"it draws on a device of this machine ({generator.device})", "make it anew after")
    return tensor_generator, (type(generator), generator_state(generator))


def generator_state(generator: Any) -> bytes:
    return bytes(generator.get_state().tolist())


def set_generator(generator: Any, state: bytes) -> None:
    torch = sys.modules["torch"]
    generator.set_state(torch.tensor(list(state), dtype=torch.uint8))


@constructor
def tensor_generator(cls: Any, state: bytes) -> Any:
    made = cls()
    set_generator(made, state)
    return made
