"""The base model of a request, on the device that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.networks.placement import resolve_placement
from ..models.loading import load_model
from ..models.reference_files import NAME

if TYPE_CHECKING:
    from ...core.networks.placement import Placement
    from ..models.model import Model
    from ..request import Request
    from .setting import Setting


def load_base(request: Request, setting: Setting) -> Model:
    """Load the model and VAE that a request names. Raises as load_model and choose_placement."""
    placement = choose_placement(request, setting)
    return load_model(request.checkpoint, folders=setting.folders, placement=placement, vae=request.vae)


def choose_placement(request: Request, setting: Setting) -> Placement:
    """Where the model computes: in bfloat16 where the device is faster in it, unless another dtype is asked for.

    The reference model is too small to gain by it, and was measured in float32. Raises BadParameter.
    """
    device = setting.host.device() if setting.device == "auto" else setting.device
    small = request.checkpoint == NAME
    return resolve_placement(device, "float32" if small and setting.dtype == "auto" else setting.dtype, bf16=True)
