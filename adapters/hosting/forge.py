"""How Forge loads LoRAs and makes patches of them."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..modules.architectures import UNET_MODELS
from .a1111 import A1111Loras
from .model import ENGINES
from .session import TaggedFile
from .tensors import choose_tensors
from .wrap import wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from .session import Use

PREFIX = "diffusion_model."


def is_weight(key: str) -> bool:
    """Whether something stands in the denoiser that it computes with; loaders leave placeholders there."""
    return key.startswith(PREFIX) and not key.endswith(".dummy")


class ForgeLoras(A1111Loras):
    """The host's modules of LoRAs and embeddings."""

    @property
    def loadable(self) -> frozenset[str]:
        """Architectures that this relative of Forge can load."""
        return frozenset((*UNET_MODELS, *(name for module, name in ENGINES.items() if module in sys.modules)))

    def list_weights(self) -> dict[str, Any]:
        """Weights of the UNet or transformer."""
        table = self.shared.sd_model.forge_objects_original.unet.model.state_dict(keep_vars=True)
        return {key.removeprefix(PREFIX): value for key, value in table.items() if is_weight(key)}

    def forget_others(self) -> None:
        """Nothing: the host reads files again for every model that it loads."""

    def wrap_readers(self) -> None:
        """Let files be read by us where the host reads less."""
        wrap(self.networks, "load_lora_state_dict", self.load_file)

    def list_models(self) -> list[Any]:
        """Nothing."""
        return []

    def mark(self, entry: Any, use: Use) -> None:
        """By the path: its patches are kept by it."""
        entry.filename = TaggedFile(entry.filename, use)

    def load_file(self, original: Callable[..., Any], filename: str) -> dict[str, Any]:
        """Tensors of a file."""
        path, use = str(filename), getattr(filename, "use", None)
        parts = self._list_parts()
        by_itself, tag = partial(original, path), use and use.tag
        unmatched, weights = partial(self._list_unmatched, parts), partial(find_weights, parts)
        tensors, receipt = choose_tensors(Path(path), tag, self.model, by_itself, unmatched, weights)
        known = self.networks.available_network_aliases.items()
        keys = [use.key] if use else [name for name, entry in known if str(entry.filename) == path]
        self.session.receipts.update(dict.fromkeys(keys, receipt))
        return tensors

    def _list_parts(self) -> list[tuple[Any, dict[str, Any]]]:
        """Networks of the loaded model, with names in LoRA files → their weights."""
        original, host = self.shared.sd_model.forge_objects_original, self.networks
        unet, clip = original.unet.model, original.clip.cond_stage_model
        return [(unet, host.model_lora_keys_unet(unet, {})), (clip, host.model_lora_keys_clip(clip, {}))]

    def _list_unmatched(self, parts: list[tuple[Any, dict[str, Any]]], tensors: dict[str, Any]) -> dict[str, Any]:
        for _, names in parts:
            tensors = self.networks.load_lora(tensors, names)[1]
        return tensors

    def set_strengths(self, strengths: Mapping[str, float]) -> None:
        """Let the UNet have these strengths from now on: key of a use → strength."""
        unet = self.shared.sd_model.forge_objects.unet
        found: dict[Any, Any] = {}
        for (file, held, *rest), patches in unet.lora_patches.items():
            strength = strengths.get(file.use.key, held) if isinstance(file, TaggedFile) else held
            found[(file, strength, *rest)] = {
                key: [[strength, *patch[1:]] for patch in several] for key, several in patches.items()
            }
        if list(found) != list(unet.lora_patches):
            unet.lora_patches = found
            unet.refresh_loras()


def find_weights(parts: list[tuple[Any, dict[str, Any]]], name: str) -> tuple[Tensor | None, Tensor | None]:
    """Weight and bias behind a name, as they are without LoRAs."""
    for network, names in parts:
        key = names.get(name)
        if isinstance(key, str):
            held, kept = network.state_dict(), getattr(getattr(network, "lora_loader", None), "backup", {})
            bias = f"{key.removesuffix('.weight')}.bias"
            return kept.get(key, held[key]), kept.get(bias, held.get(bias))
    return None, None
