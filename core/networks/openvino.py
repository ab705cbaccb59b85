"""Runs a torch network through OpenVINO on the CPU (extra `openvino`)."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch

from ..errors import BadParameter, MissingExtra
from .network import Network

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch import nn

    from .placement import Placement

HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
"""OpenVINO's names of our dtypes."""

EXAMPLE_SIDE = 64
"""Side of the picture with which a network is traced, unless the module names its own `example_side`, which may be
(height, width)."""


class OpenVinoNetwork(Network):
    """A float32 module that OpenVINO runs on the CPU in the placement's dtype.

    Not always the faster one: TEED in bfloat16 on a CPU with AMX is 2.2 times as fast as its peer on torch and
    1.2 times here.

    Compiled at the first call for that call's number of channels; batch, height and width stay free. Output: float32
    tensor, or a tuple of them. It takes as many threads as torch is set to when it is compiled. Raises MissingExtra,
    and BadParameter for a device or format that OpenVINO does not run here.
    """

    def __init__(self, module: nn.Module, placement: Placement) -> None:
        super().__init__(module, placement)
        load_openvino()
        self._compiled: Any = None
        if placement.device != "cpu":
            what = f"the OpenVINO backend runs on cpu, not on {placement.device}"
            raise BadParameter(what, fix="use --device cpu, or the torch backend")

    def __call__(self, *inputs: Any) -> Any:
        """Run the module on a float tensor [B, C, H, W]."""
        (x,) = inputs
        if self._compiled is None:
            self._compiled = self._compile(channels=x.shape[1])
        results = self._compiled(x.detach().float().contiguous().numpy())
        tensors = tuple(torch.from_numpy(results[index]) for index in range(len(self._compiled.outputs)))
        return tensors[0] if len(tensors) == 1 else tensors

    def _compile(self, channels: int) -> Any:
        side = getattr(self.module, "example_side", EXAMPLE_SIDE)
        example = torch.zeros(1, channels, *(side if isinstance(side, tuple) else (side, side)))
        return compile_module(self.module, (example,), ((-1, channels, -1, -1),), self.placement)


def compile_module(
    module: nn.Module, example: tuple[torch.Tensor, ...], shapes: tuple[tuple[int, ...], ...], placement: Placement
) -> Any:
    """A module of tensors in and tensors out, ready to run; it holds its weights as they are now.

    example: inputs to trace it with. shapes: of each input, -1 where a side is free. Raises MissingExtra, and
    BadParameter for a dtype that OpenVINO does not run here.
    """
    openvino = load_openvino()
    one = len(example) == 1
    with torch.inference_mode(mode=False), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of fixed branches and of its own age
        model = openvino.convert_model(module, example_input=example[0] if one else example, input=_list_shapes(shapes))
    compiled = openvino.Core().compile_model(model, "CPU", _build_settings(placement))
    _check_dtype(placement, compiled)
    return compiled


def _list_shapes(shapes: tuple[tuple[int, ...], ...]) -> Any:
    """As OpenVINO takes them: of one input without a list around it."""
    return list(shapes[0]) if len(shapes) == 1 else [list(shape) for shape in shapes]


def load_openvino() -> Any:
    """Import OpenVINO without its telemetry, which would call out at import. Raises MissingExtra."""
    if find_spec("openvino") is None:
        raise MissingExtra("the OpenVINO backend needs the package openvino", fix="pip install 'openvino>=2024.4'")
    with _block_import("openvino_telemetry"):
        import openvino

    return openvino


@contextmanager
def _block_import(name: str) -> Generator[None, None, None]:
    """Make a module look absent for a while, unless it has been imported already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


def _build_settings(placement: Placement) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": HINTS[placement.dtype],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }


def _check_dtype(placement: Placement, compiled: Any) -> None:
    """Raise BadParameter unless OpenVINO uses the requested dtype; it silently replaces one that the CPU lacks."""
    granted = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    ours = {hint: dtype for dtype, hint in HINTS.items()}.get(granted, granted)
    if ours != placement.dtype:
        raise BadParameter(f"OpenVINO has no {placement.dtype} here, it would run in {ours}", fix=f"use --dtype {ours}")
