"""OpenVINO as the engine of UNets, ControlNets and VAEs (extra `openvino`).

Each network is compiled at its first call, for pictures of any size, and then holds a second copy of its weights. What
OpenVINO would compute otherwise than torch runs in torch, and is reported: networks with LoRAs on them, T2I-adapters,
union ControlNets, latents whose sides the UNet cannot halve evenly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ...core.errors import BadParameter
from ...core.networks.openvino import load_openvino
from .networks import EngineControl, EngineUnet, EngineVae

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...core.networks.placement import Placement
    from ..models.model import ControlNetwork, Model


class OpenVinoEngine:
    """Hands the networks of models to OpenVINO. note: takes what ran in torch all the same, and why."""

    def __init__(self, placement: Placement, note: Callable[[str], None]) -> None:
        """Raises MissingExtra without the package, BadParameter for a device that it does not run on here."""
        load_openvino()
        if placement.device != "cpu":
            what = f"OpenVINO runs on cpu here, not on {placement.device}"
            raise BadParameter(what, where="backend", fix="use --device cpu, or leave --backend at torch")
        self._placement, self._note = placement, note

    def take_model(self, model: Model) -> Model:
        """The model with its UNet and VAE run by OpenVINO; the one that is given keeps torch's, whose weights count."""
        unet = EngineUnet(model.unet, self._placement, self._note, name="the UNet")
        vae = EngineVae(model.vae, self._placement, self._note, name="the VAE")
        return replace(model, unet=unet, vae=vae, placement=self._placement)

    def take_control(self, control: ControlNetwork) -> ControlNetwork:
        """The ControlNet run by OpenVINO."""
        if control.form not in ("controlnet", "control_lora"):
            self._note(f"{control.name} runs in torch: OpenVINO has no engine for networks of its kind here")
            return control
        return replace(control, network=EngineControl(control.network, self._placement, self._note, name=control.name))
