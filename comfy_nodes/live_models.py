"""MODEL, CLIP and VAE as a checkpoint: the tensors that ComfyUI would save, under the names of its files."""

from __future__ import annotations

from contextlib import nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ..checkpoints.live_models import SCALE, LiveModel, is_scale, match_by_memory
from ..checkpoints.values import Shaped
from ..core.errors import BadParameter, BadWeights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)


class Stored(NamedTuple):
    """A weight of a patcher by the patcher's key."""

    patcher: Any
    key: str


class HostModel(LiveModel):
    """A MODEL, and with it a CLIP and a VAE, by the names that the host saves them under.

    Patches are applied weight by weight, as the host does before it saves; nothing of the model is changed. Raises
    BadParameter without a MODEL, BadWeights for weights that are packed in codes.
    """

    def __init__(self, label: str, model: Any, clip: Any = None, vae: Any = None) -> None:
        if model is None:
            what = "a CLIP or VAE needs the MODEL that it belongs to"
            raise BadParameter(what, where=label, fix="connect MODEL too, or choose a file")
        self.label = label
        self._patchers: dict[int, dict[str, list[Any]]] = {}
        sources = _find_weights(model) | _find_markers(model)
        sources |= self._find_encoders(model, clip) if clip is not None else {}
        sources |= _find_vae(model, vae) if vae is not None else {}
        self._sources = {key: source for key, source in sources.items() if not is_scale(key)}
        self.entries = {key: self._describe(key, source) for key, source in self._sources.items()}
        timed = any(getattr(owner, "hook_patches", None) for owner in (model, clip and clip.patcher))
        self.notes = (f"{label}: LoRAs with a start, a stop or a curve are no part of a file",) if timed else ()

    def compute(self, key: str) -> Tensor:
        """A tensor as the host would save it."""
        source = self._sources[key]
        return self._patch(*source) if isinstance(source, Stored) else source.detach()

    def _hold(self, patcher: Any, key: str) -> list[Any]:
        """The weight as it is without patches and how it is decoded, then its patches."""
        if id(patcher) not in self._patchers:
            self._patchers[id(patcher)] = patcher.get_key_patches()
        return self._patchers[id(patcher)][key]

    def _patch(self, patcher: Any, key: str) -> Tensor:
        (weight, decode), *patches = self._hold(patcher, key)
        scaled = self._is_scaled(patcher, key, weight)
        if not patches and not scaled:
            return weight.detach()
        wide = weight.detach().to(device=patcher.load_device, dtype=torch.float32, copy=True)
        wide = decode(wide, inplace=True)
        if patches:
            wide = import_module("comfy.lora").calculate_weight(patches, wide, key)
        return _round(wide, torch.float16 if scaled else weight.dtype, key)

    def _is_scaled(self, patcher: Any, key: str, weight: Tensor) -> bool:
        """Whether a weight is 8 bit codes with a scale beside them."""
        name = f"{key.removesuffix('weight')}{SCALE}"
        self._hold(patcher, key)
        return weight.dtype in _FLOAT8 and name in self._patchers[id(patcher)]

    def _describe(self, key: str, source: Stored | Tensor) -> Shaped:
        if not isinstance(source, Stored):
            return Shaped(source.dtype, tuple(source.shape))
        weight = self._hold(*source)[0][0]
        if key.endswith("weight") and not weight.dtype.is_floating_point:
            what, fix = f"holds codes of {weight.dtype}, which cannot be computed with", "load the model unquantised"
            raise BadWeights(what, where=f"{self.label}, {key}", fix=fix)
        dtype = torch.float16 if self._is_scaled(*source, weight) else weight.dtype
        return Shaped(dtype, tuple(weight.shape))

    def _find_encoders(self, model: Any, clip: Any) -> dict[str, Stored | Tensor]:
        """Text encoders; weights that the host joins or turns for its files are computed from patched ones."""
        config, held = model.model.model_config, clip.patcher.model_state_dict()
        plain = {**clip.get_sd(), **held}
        names = {id(tensor): key for key, tensor in plain.items()}
        saved = config.process_clip_state_dict_for_saving(dict(plain))
        passed = {names[id(tensor)] for tensor in saved.values() if id(tensor) in names}
        left = held.keys() - passed
        patched = {key: self._patch(clip.patcher, key) if key in left else tensor for key, tensor in plain.items()}
        made = config.process_clip_state_dict_for_saving(patched)
        found = {key: names.get(id(tensor), "") for key, tensor in saved.items()}
        return {key: Stored(clip.patcher, own) if own in held else made[key] for key, own in found.items()}


def _find_weights(model: Any) -> dict[str, Stored | Tensor]:
    """The UNet or transformer, and what else the host saves with it, found again by where tensors lie in memory."""
    with getattr(model, "use_ejected", nullcontext)():
        held = model.model_state_dict()
        saved: Mapping[str, Tensor] = model.model.state_dict_for_saving()
    names = match_by_memory(held, saved)
    return {key: Stored(model, names[key]) if key in names else tensor for key, tensor in saved.items()}


def _find_vae(model: Any, vae: Any) -> dict[str, Stored | Tensor]:
    held = vae.patcher.model_state_dict()
    names = {id(tensor): key for key, tensor in held.items()}
    saved = model.model.model_config.process_vae_state_dict_for_saving(dict(held))
    found = {key: names.get(id(tensor)) for key, tensor in saved.items()}
    return {key: saved[key] if own is None else Stored(vae.patcher, own) for key, own in found.items()}


def _find_markers(model: Any) -> dict[str, Stored | Tensor]:
    """Entries by which the host tells how a file's model is to be sampled."""
    sampling = model.get_model_object("model_sampling")
    kinds = {kind.__name__ for kind in type(sampling).__mro__}
    found: dict[str, Stored | Tensor] = {}
    if "V_PREDICTION" in kinds and "ModelSamplingContinuousEDM" in kinds:
        ends = {"sigma_max": sampling.sigma_max, "sigma_min": sampling.sigma_min}
        found = {f"edm_vpred.{name}": torch.as_tensor(value).float().detach() for name, value in ends.items()}
    if "V_PREDICTION" in kinds and getattr(sampling, "zsnr", False):
        found["ztsnr"] = torch.empty(0)
    return found


def _round(value: Tensor, dtype: torch.dtype, key: str) -> Tensor:
    """To a dtype as the host does: by chance to 8 bits, seeded by the key."""
    if dtype not in _FLOAT8:
        return value.to(dtype)
    seed = import_module("comfy.model_patcher").string_to_seed(key)
    return import_module("comfy.float").stochastic_rounding(value, dtype, seed=seed)
