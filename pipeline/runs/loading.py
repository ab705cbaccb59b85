"""The base model of a request, on the device that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.networks.placement import Placement, resolve_placement
from ..engines.openvino import OpenVinoEngine
from ..models.loading import load_model
from ..models.reference_files import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..models.model import Model
    from ..request import Request
    from .setting import Setting


def load_base(request: Request, setting: Setting) -> Model:
    """Load the model and VAE that a request names. Raises as load_model and choose_placement.

    For OpenVINO they are torch's in float32, which it converts itself.
    """
    placement = choose_placement(request, setting)
    if placement.backend == "openvino":
        placement = Placement(device=placement.device)
    return load_model(request.checkpoint, folders=setting.folders, placement=placement, vae=request.vae)


def find_engine(request: Request, setting: Setting, note: Callable[[str], None]) -> OpenVinoEngine | None:
    """What computes the networks in place of torch. note: takes what runs in torch all the same.

    Raises MissingExtra, BadParameter.
    """
    placement = choose_placement(request, setting)
    return OpenVinoEngine(placement, note) if placement.backend == "openvino" else None


def choose_placement(request: Request, setting: Setting) -> Placement:
    """Where the model computes: in bfloat16 where the device is faster in it, unless another dtype is asked for.

    The reference model is too small to gain by it, and was measured in float32. Raises BadParameter.
    """
    device = setting.host.device() if setting.device == "auto" else setting.device
    small = request.checkpoint == NAME
    dtype = "float32" if small and setting.dtype == "auto" else setting.dtype
    return resolve_placement(device, dtype, setting.backend, bf16=True)
