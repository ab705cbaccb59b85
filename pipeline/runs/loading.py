"""The base model of a request, on the device that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.networks.placement import resolve_placement
from ..models.loading import load_model

if TYPE_CHECKING:
    from ..models.model import Model
    from ..request import Request
    from .setting import Setting


def load_base(request: Request, setting: Setting) -> Model:
    """Load the model and VAE that a request names. Raises as load_model and resolve_placement."""
    device = setting.host.device() if setting.device == "auto" else setting.device
    placement = resolve_placement(device, setting.dtype)
    return load_model(request.checkpoint, folders=setting.folders, placement=placement, vae=request.vae)
