"""What the engine takes for granted of methods."""

from __future__ import annotations

import pytest
import torch

from underdrawing.checkpoints.method import Chunk, Method
from underdrawing.checkpoints.method_registry import MethodType, methods

NATIVE = [method for method in methods() if method.spec.native]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", NATIVE, ids=lambda method: method.spec.id)
def test_native_methods_write_in_place_what_they_give_otherwise(method: MethodType, dtype: torch.dtype) -> None:
    assert (method.spec.grain, method.spec.halo, method.measure) == ("element", 0, Method.measure)
    tensors = tuple((torch.randn(77) * 0.1).to(dtype) for _ in method.spec.inputs)
    room, params = torch.empty(77, dtype=dtype), method.params_type()
    result = method().merge(Chunk(tensors, "x", (77,), 0, room=room), params)
    assert result.data_ptr() == room.data_ptr()
    assert torch.equal(room, method().merge(Chunk(tensors, "x", (77,), 0), params))
    exact = method().merge(Chunk(tuple(one.float() for one in tensors), "x", (77,), 0), params)
    assert torch.equal(room, exact.to(dtype))
