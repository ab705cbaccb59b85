"""As much of ComfyUI as the LoRA and embedding nodes use, in stub modules."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


class WeightAdapterBase:
    """The host's base of weight adapters."""


class LoRAAdapter(WeightAdapterBase):
    def __init__(self, loaded_keys: set[str], weights: tuple[Any, ...]) -> None:
        self.loaded_keys, self.weights = loaded_keys, weights

    def calculate_weight(self, weight: Tensor, key: str, strength: float, *_: Any) -> Tensor:
        up, down, alpha, *rest = self.weights
        assert rest == [None, None, None]
        change = up.float().flatten(1) @ down.float().flatten(1)
        return weight + strength * alpha / down.shape[0] * change.reshape(weight.shape)


def calculate_weight(patches: list[Any], weight: Tensor, key: str) -> Tensor:
    for strength, value, *rest in patches:
        offset = rest[1] if rest else None
        if isinstance(value, WeightAdapterBase):
            part = weight if offset is None else weight.narrow(*offset)
            part = value.calculate_weight(part, key, strength, 1.0, None, None)  # type: ignore[attr-defined]
            weight = part if offset is None else torch.cat([weight[: offset[1]], part, weight[offset[1] + offset[2] :]])
            continue
        if isinstance(value, list):  # another model's patched weight
            difference = calculate_weight(value[1:], value[0][1](value[0][0].float()), key)
        else:
            kind, (difference,) = value
            assert kind == "diff"
        weight = weight + strength * difference
    return weight


class Patcher:
    """As much of the host's ModelPatcher as is used."""

    def __init__(self, table: dict[str, Tensor]) -> None:
        self.table, self.patches, self.attached = table, dict[str, list[Any]](), dict[str, Any]()
        self.forced_hooks: Any = None
        self.registered: list[Any] = []

    def clone(self) -> Patcher:
        made = Patcher(self.table)
        made.patches = {key: list(held) for key, held in self.patches.items()}
        made.attached = dict(self.attached)
        return made

    def model_state_dict(self) -> dict[str, Tensor]:
        return dict(self.table)

    def add_patches(self, patches: dict[Any, Any], strength_patch: float = 1.0) -> list[Any]:
        taken: list[Any] = []
        for name, patch in patches.items():
            key, offset = (name, None) if isinstance(name, str) else name
            if key in self.table:
                taken.append(name)
                self.patches.setdefault(key, []).append((strength_patch, patch, 1.0, offset, None))
        return taken

    def get_key_patches(self, prefix: str) -> dict[str, list[Any]]:
        own = {key: tensor for key, tensor in self.table.items() if key.startswith(prefix)}
        return {key: [(tensor, unchanged), *self.patches.get(key, [])] for key, tensor in own.items()}

    def set_attachments(self, key: str, value: Any) -> None:
        self.attached[key] = value

    def get_attachment(self, key: str) -> Any:
        return self.attached.get(key)

    def register_all_hook_patches(self, hooks: Any, target: Any) -> None:
        self.registered += hooks.hooks

    def result(self) -> dict[str, Tensor]:
        patched = {k: calculate_weight(held, self.table[k].float().clone(), k) for k, held in self.patches.items()}
        return {**self.table, **patched}


def unchanged(tensor: Tensor, **_: Any) -> Tensor:
    """What the host calls to widen a stored weight."""
    return tensor


class Clip:
    def __init__(self, table: dict[str, Tensor]) -> None:
        self.patcher = Patcher(table)
        self.apply_hooks_to_conds: Any = None
        self.use_clip_schedule = False

    def clone(self) -> Clip:
        made = Clip(self.patcher.table)
        made.patcher = self.patcher.clone()
        made.apply_hooks_to_conds, made.use_clip_schedule = self.apply_hooks_to_conds, self.use_clip_schedule
        return made

    def add_patches(self, patches: dict[str, Any], strength_patch: float = 1.0) -> list[str]:
        return self.patcher.add_patches(patches, strength_patch)


class WeightHook:
    def __init__(self, strength_model: float, strength_clip: float) -> None:
        self.strengths = strength_model, strength_clip
        self.weights: dict[str, Any] = {}
        self.weights_clip: dict[str, Any] = {}
        self.need_weight_init = True
        self.hook_keyframe: Any = None


class Group:
    def __init__(self) -> None:
        self.hooks: list[Any] = []
        self.add = self.hooks.append

    def clone(self) -> Group:
        made = Group()
        made.hooks += self.hooks
        return made

    def set_keyframes_on_hooks(self, keyframes: None) -> None:
        self.hooks = [hook for hook in self.hooks if keyframes]


def stubs(base: Path) -> dict[str, ModuleType]:
    made = {
        name: ModuleType(name)
        for name in ("comfy", "comfy.weight_adapter", "comfy.lora", "comfy.hooks", "comfy.utils", "folder_paths")
    }
    made["comfy.model_management"] = ModuleType("comfy.model_management")
    vars(made["comfy.weight_adapter"]).update(WeightAdapterBase=WeightAdapterBase, LoRAAdapter=LoRAAdapter)
    vars(made["comfy.lora"]).update(calculate_weight=calculate_weight)
    vars(made["comfy.hooks"]).update(
        WeightHook=WeightHook,
        HookGroup=Group,
        HookKeyframeGroup=Group,
        HookKeyframe=SimpleNamespace,
        EnumWeightTarget=SimpleNamespace(Clip="clip"),
        create_target_dict=lambda target: {"target": target},  # type: ignore[reportUnknownLambdaType]
    )
    vars(made["comfy.utils"]).update(ProgressBar=lambda total: SimpleNamespace(update_absolute=print))  # type: ignore[reportUnknownLambdaType]
    vars(made["comfy.model_management"]).update(throw_exception_if_processing_interrupted=lambda: None)
    vars(made["folder_paths"]).update(
        get_folder_paths=lambda kind: [str(base / kind)],  # type: ignore[reportUnknownLambdaType]
        get_filename_list=lambda kind: sorted(p.name for p in (base / kind).iterdir()),  # type: ignore[reportUnknownLambdaType]
        get_full_path=lambda kind, name: str(base / kind / name),  # type: ignore[reportUnknownLambdaType]
    )
    return made
