"""Who wrote a file, in what precision, and for which of two experts: from its header, its keys and its name.

For people who read a report: nothing is read differently for it. Facts: the headers that the trainers' source writes.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from ..modules.parts import PARTS
from .files import IN_FOLDERS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from .files import RawFile

_NOISE = re.compile(r"(?:^|[^a-z])(high|low)[ _.-]?noise|noise[ _.-]?(high|low)(?![a-z])", re.IGNORECASE)
_NAMES = ("ss_output_name", "modelspec.title", "name")
"""Entries of headers that hold the name of the file."""
_STATED = {
    "ai-toolkit": "ai-toolkit",
    "simpletuner": "SimpleTuner",
    "diffsynth": "DiffSynth-Studio",
    "musubi": "musubi-tuner",
    "onetrainer": "OneTrainer",
    "sd-scripts": "sd-scripts",
    "fluxgym": "FluxGym (sd-scripts)",
}
"""Words in the entries below → trainer."""
_SOFTWARE = ("software", "modelspec.implementation", "modelspec.author", "trainer", "framework")
_KEYS = (
    (re.compile(r"^(double|single)_blocks\.\d+\.processor\."), "XLabs' x-flux"),
    (re.compile(r"^(double|single)_blocks\.\d+\..*(query|key)_norm\.scale$"), "Black Forest Labs (a control LoRA)"),
    (re.compile(r"\.attn\.qkv\.[012]\.|_attn\.qkv\.[012]\.|\.linear1\.[0123]\."), "OneTrainer (OMI)"),
    (re.compile(r"\.oft_R\.scaled_oft$|^lora_transformer_"), "OneTrainer"),
    (re.compile(r"^transformer\.base_model\.model\."), "SimpleTuner"),
    (re.compile(r"^(?!base_model|transformer|unet|diffusion_model).+\.lora_A\.default\.weight$"), "DiffSynth-Studio"),
    (re.compile(r"\.magnitude$"), "ai-toolkit"),
)
"""Keys that one trainer writes alone."""


def find_trainer(file: RawFile) -> str:
    """The program that wrote a file, "" where nothing tells."""
    stated = " ".join(str(file.metadata.get(entry, ""))[:500] for entry in _SOFTWARE).lower()
    for word, title in _STATED.items():
        if word in stated:
            return title
    if any(entry.startswith("ot_") for entry in file.metadata):
        return "OneTrainer"
    network = str(file.metadata.get("ss_network_module", ""))
    if network:
        own = "sd-scripts" if "ss_sd_scripts_commit_hash" in file.metadata else "sd-scripts or musubi-tuner"
        return f"{own}, with LyCORIS" if network.startswith("lycoris") else own
    for pattern, title in _KEYS:
        if any(pattern.search(key) for key in file.tensors):
            return title
    if "lora_adapter_metadata" in file.metadata:
        return "diffusers"
    return "PEFT" if file.config else ""


def count_precisions(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """dtype → tensors of more than one value, the commonest first."""
    found = Counter(str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values() if tensor.numel() > 1)
    return dict(found.most_common())


def find_noise(file: RawFile) -> str:
    """Which of a model's two experts the file says that it is for (Wan 2.2): "high" or "low" noise, else ""."""
    texts = (_find_name(file.path), *(str(file.metadata.get(entry, ""))[:300] for entry in _NAMES))
    return next(filter(None, map(read_noise, texts)), "")


def read_noise(text: str) -> str:
    """The same of a name."""
    found = _NOISE.search(text)
    return "" if found is None else (found[1] or found[2]).lower()


def _find_name(path: Path) -> str:
    """What people called the file: the folder's name where the file's own is always the same."""
    if path.name not in IN_FOLDERS:
        return path.stem
    folder = path.absolute().parent
    return folder.parent.name if folder.name in PARTS else folder.name
