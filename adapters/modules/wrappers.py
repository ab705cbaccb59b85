"""What wraps modules while they are trained or run, and shows in their names: compilers, parallel training, PEFT."""

from __future__ import annotations

_STEPS = frozenset({"_orig_mod", "module", "base_layer", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Attributes that torch.compile, DataParallel, PEFT's layers, FSDP and checkpointing put between two names."""
_PEFT = "base_model.model."


def strip_wrappers(name: str) -> str:
    """A dotted name without the wrappers' own attributes: "_orig_mod.conv_in.base_layer.weight" → "conv_in.weight"."""
    if not _STEPS.isdisjoint(steps := name.split(".")):
        name = ".".join(step for step in steps if step not in _STEPS)
    while name.startswith(_PEFT):
        name = name.removeprefix(_PEFT)
    return name
