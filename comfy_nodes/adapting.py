"""Adapters as patches of ComfyUI's model patchers. No weight of a model is written."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..adapters.applying.checkpoint import Checkpoint
from ..adapters.applying.quantised import Storage
from ..adapters.applying.weight_access import StateDictWeights
from ..adapters.applying.weight_writer import apply_places, find_changed
from ..adapters.hosting import comfyui
from ..adapters.modules.architectures import UNKNOWN
from ..adapters.modules.parts import TRANSFORMER, UNET
from ..adapters.prompts.lora_requests import plan_requests
from ..adapters.prompts.requests import make_timeline
from ..core.errors import BadParameter, BadWeights
from ..core.tensor_files.safetensors_io import Entry
from ..core.tensor_files.tensor_reader import find_dtype
from .host import HOOKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from ..adapters.applying.plan import Plan
    from ..adapters.applying.receipt import Receipt
    from ..adapters.applying.weight_writer import Place
    from ..adapters.prompts.lora_requests import LoraRequest

TOKENS = "underdrawing_tokens"
"""Attachment of a CLIP: tokens that came with LoRA files, for the encode node."""


class Weights(StateDictWeights):
    """One part's weights without the host's prefix; a layer without a bias cannot be given one here."""

    def __init__(self, prefix: str, part: str, tensors: Mapping[str, Tensor]) -> None:
        self.prefix, self.part = prefix, part
        super().__init__(part, {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)})
        self.slots = {t: slot for t, slot in self.slots.items() if not slot.transposed}

    def bias_slot(self, module: str) -> None:
        """None: the host patches only what is there."""

    def find_storage(self, key: str) -> Storage:
        """Plain: the host decodes a quantised weight before it patches it."""
        return Storage(self._read(key).dtype)


def parts_of(model: Any, clip: Any) -> dict[str, Weights]:
    """The parts of a MODEL and a CLIP (either may be None) by our names."""
    found = [] if model is None else [_find_denoiser(model.model_state_dict())]
    if clip is not None:
        table = clip.patcher.model_state_dict()
        prefixes = comfyui.list_encoder_prefixes(found[0].architecture if found else UNKNOWN)
        found += [Weights(prefix, part, table) for prefix, part in prefixes.items()]
    return {weights.part: weights for weights in found if weights.slots}


def _find_denoiser(table: Mapping[str, Tensor]) -> Weights:
    """A transformer where it is one that is known, else a UNet."""
    found = Weights(comfyui.DENOISER_PREFIX, TRANSFORMER, table)
    return found if found.architecture != UNKNOWN else Weights(comfyui.DENOISER_PREFIX, UNET, table)


def apply(
    model: Any, clip: Any, requests: Sequence[LoraRequest], steps: int, *, allow_empty: bool, way_out: str
) -> tuple[Any, Any, Receipt]:
    """Clones with the adapters on them. Every change of one call is computed from the weight this call meets.

    Adapters with a start, a stop or a curve become hooks that travel with what the returned CLIP encodes.
    Raises BadWeights when one matches nothing or was made for another base model, unless allow_empty, which way_out
    tells how to set; BadParameter.
    """
    parts = parts_of(model, clip)
    work, receipt = plan_requests(parts, requests, steps, HOOKS, allow_empty=allow_empty, way_out=way_out)
    timed = [number for number, request in enumerate(requests) if request.timed]
    lasting = make_patches(parts, work, set(range(len(requests))) - set(timed))
    model, clip = _clone_with_patches(model, clip, lasting)
    while_sampling = {number: make_patches(parts, work, {number}) for number in timed}
    hooks = [hook for n, patches in while_sampling.items() for hook in _hooks(patches, requests[n], steps)]
    made = [patch for pair in (lasting, *while_sampling.values()) for own in pair for patch in own.values()]
    receipt = replace(receipt, notes=(*receipt.notes, *comfyui.describe_patches(made)))
    learned = {token: rows for request in requests for token, rows in request.adapter.embeddings.items()}
    if learned and clip is not None:
        clip.patcher.set_attachments(TOKENS, (clip.patcher.get_attachment(TOKENS) or {}) | learned)
    return model, _attach_hooks(clip, hooks) if hooks else clip, receipt


def make_patches(parts: Mapping[str, Weights], work: Plan, numbers: set[int]) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Host key → patch, of the model and of the text encoders, for the adapters with these numbers.

    A key is a name, or a name and rows of a weight of several layers, as the host has them: (axis, first, count).
    """
    found: dict[bool, dict[Any, Any]] = defaultdict(dict)
    for part, key, places, base in find_changed(parts, work, numbers):
        found[part in (UNET, TRANSFORMER)] |= _list_patches(parts[part].prefix + key, places, base)
    return found[True], found[False]


def _list_patches(key: str, places: list[Place], base: Tensor) -> dict[Any, Any]:
    """The host's own kind for plain LoRAs, else one patch of ours that computes when the host patches."""
    try:
        host = import_module("comfy.weight_adapter")
    except ImportError:
        return {key: comfyui.make_difference(places, base)}
    factors = [comfyui.make_factors(place, base) for place in places]
    if all(one is not None for one in factors):
        names = [comfyui.name_patch(key, place, base) for place in places]
        return {name: host.LoRAAdapter(set(), one) for name, one in zip(names, factors, strict=True)}
    return {key: _kind(host.WeightAdapterBase)(set(), places)}


@cache
def _kind(base: type) -> Any:
    """Our kind of the host's weight adapters; the host calls it with the weight as earlier patches left it."""

    def init(self: Any, loaded_keys: set[str], weights: list[Place]) -> None:
        self.loaded_keys, self.weights = loaded_keys, weights

    def calculate(self: Any, weight: Tensor, key: str, strength: float, *_: Any, **__: Any) -> Tensor:
        return apply_places(weight.float(), self.weights, strength).to(weight.dtype) if strength else weight

    return type("UnderdrawingAdapter", (base,), {"name": comfyui.OWN, "__init__": init, "calculate_weight": calculate})


def _clone_with_patches(model: Any, clip: Any, patches: tuple[dict[str, Any], dict[str, Any]]) -> tuple[Any, Any]:
    clones: list[Any] = [owner.clone() if owner is not None else None for owner in (model, clip)]
    for clone, own in zip(clones, patches, strict=True):
        lost = set(own) - set(clone.add_patches(own)) if own else set[str]()
        if lost:
            raise BadWeights(f"ComfyUI refused {len(lost)} of {len(own)} patches", where=min(map(str, lost)))
    return clones[0], clones[1]


def _hooks(patches: tuple[dict[str, Any], dict[str, Any]], request: LoraRequest, steps: int) -> Iterator[Any]:
    """One hook for the UNet and one for the text encoders, whose strengths may run differently."""
    host = import_module("comfy.hooks")
    for encoder, own in enumerate(patches):
        if not own or request.timed is None:
            continue
        hook = host.WeightHook(strength_model=1.0, strength_clip=1.0)
        hook.weights, hook.weights_clip = ({}, own) if encoder else (own, {})
        hook.need_weight_init = False
        hook.hook_keyframe = host.HookKeyframeGroup()
        for start, *strengths in make_timeline(request.timed, steps):
            share = strengths[1 - encoder] / (request.encoder if encoder else request.unet)
            hook.hook_keyframe.add(host.HookKeyframe(strength=share, start_percent=start, guarantee_steps=0))
        yield hook


def _attach_hooks(clip: Any, hooks: list[Any]) -> Any:
    """The clone of a CLIP whose conditionings carry the hooks, and whose own weights follow them."""
    if clip is None:
        what = "a start, a stop or a curve travels with the conditioning, so it needs the text encoder"
        raise BadParameter(what, where="clip", fix="connect CLIP")
    host = import_module("comfy.hooks")
    group = host.HookGroup()
    for hook in [*(clip.apply_hooks_to_conds.hooks if clip.apply_hooks_to_conds else ()), *hooks]:
        group.add(hook)
    clip.apply_hooks_to_conds, clip.patcher.forced_hooks = group, group.clone()
    clip.use_clip_schedule = clip.use_clip_schedule or any(hook.weights_clip for hook in hooks)
    if not clip.use_clip_schedule:
        clip.patcher.forced_hooks.set_keyframes_on_hooks(None)
    clip.patcher.register_all_hook_patches(group, host.create_target_dict(host.EnumWeightTarget.Clip))
    return clip


class Live(Checkpoint):
    """The UNet of a MODEL with its patches, computed key by key."""

    def __init__(self, name: str, model: Any) -> None:
        self._patches: dict[str, list[Any]] = model.get_key_patches("diffusion_model.")
        entries = {key: Entry("F32", tuple(held[0][0].shape), 0, 0) for key, held in self._patches.items()}
        super().__init__(Path(name), entries, {})

    def tensor(self, name: str) -> Tensor:
        """The patched weight in float32."""
        import torch

        empty = torch.zeros(self.entries[name].shape)
        return import_module("comfy.lora").calculate_weight([(1.0, self._patches[name], 1.0, None, None)], empty, name)

    def find_storage(self, name: str) -> Storage:
        """Plain: the host decodes its weights."""
        return Storage(find_dtype(self.entries[name], name))

    def raw(self, name: str) -> Iterator[bytes | memoryview]:
        """Nothing reads a live model byte by byte."""
        raise NotImplementedError(name)
