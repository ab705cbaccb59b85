"""Device, dtype and backend of a network, and the reason for them; a fallback is always reported."""

from __future__ import annotations

import re
from typing import Literal, get_args

import msgspec

from ..errors import BadParameter

Backend = Literal["torch", "openvino"]
DType = Literal["auto", "float32", "bfloat16", "float16"]
SHORT_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""Short names of dtypes in hosts."""


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Resolved device ("cpu", "cuda", "cuda:1", "mps"), dtype and backend. why: the reason, for the run's summary."""

    device: str = "cpu"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    backend: Backend = "torch"
    why: str = ""

    def __str__(self) -> str:
        """Read as in a summary: ``cpu, bfloat16, torch (AVX512-BF16)``."""
        return f"{self.device}, {self.dtype}, {self.backend}" + (f" ({self.why})" if self.why else "")


def resolve_placement(
    device: str = "auto", dtype: str = "auto", backend: str = "torch", *, bf16: bool = False
) -> Placement:
    """Resolve what a user requests. dtype: also as torch prints it, or short. bf16: the map is unchanged in bfloat16.

    Raises BadParameter when the device or dtype does not exist on this machine: an explicit request is never replaced.
    """
    dtype = dtype.removeprefix("torch.")
    dtype = SHORT_DTYPES.get(dtype, dtype)
    for name, value, allowed in (("dtype", dtype, get_args(DType)), ("backend", backend, get_args(Backend))):
        if value not in allowed:
            raise BadParameter(f"{name} {value!r} is not offered", fix=f"choose {', '.join(allowed)}")
    where = "cpu" if backend == "openvino" and device == "auto" else _resolve_device(device)
    chosen, why = _choose_dtype(where, bf16) if dtype == "auto" else (dtype, "as asked")
    return Placement(device=where, dtype=chosen, backend=backend, why=why)  # type: ignore[arg-type]


def check_device_name(device: str) -> None:
    """Raise BadParameter when no machine has a device of that name (torch is not imported)."""
    if re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device) is None:
        raise BadParameter(f"there is no device called {device!r}", fix="choose auto, cpu, cuda, cuda:1, ... or mps")


def _resolve_device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind = name.partition(":")[0]
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(kind, False):
        here = ", ".join(name for name, there in present.items() if there)
        raise BadParameter(
            f"device {name!r} is not available", fix=f"this machine has: {here}; or leave --device at auto"
        )
    return name


def _choose_dtype(device: str, bf16: bool) -> tuple[str, str]:
    if not bf16:
        return "float32", "this annotator runs in float32"
    if device.startswith("cuda"):
        import torch

        return (
            ("bfloat16", "CUDA with bfloat16")
            if torch.cuda.is_bf16_supported()
            else ("float32", "CUDA without bfloat16")
        )
    unit = find_cpu_bf16_unit() if device == "cpu" else ""
    return ("bfloat16", unit) if unit else ("float32", f"{device} without bfloat16 units")


def find_cpu_bf16_unit() -> str:
    """Name of the CPU's bfloat16 unit ("AMX", "AVX512-BF16"), or an empty string."""
    import torch

    probes = {"AMX": "_is_amx_tile_supported", "AVX512-BF16": "_is_avx512_bf16_supported"}
    for name, probe in probes.items():
        supported = getattr(torch.cpu, probe, None)
        if supported is not None and supported():
            return name
    return ""
