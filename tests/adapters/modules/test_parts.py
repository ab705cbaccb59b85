"""Parts and architectures are declared once: their names and prefixes stand nowhere else."""

from __future__ import annotations

import ast
from itertools import chain
from pathlib import Path

from underdrawing.adapters.modules.architectures import ARCHITECTURES, CLIPS, SUPPORTED, UNET_MODELS
from underdrawing.adapters.modules.parts import PARTS, TEXT_ENCODER, TEXT_ENCODER_2, UNET, find_part, list_prefixes

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("adapters", "comfy_nodes", "cli", "benchmarks")
DECLARATIONS = ("adapters/modules/parts.py", "adapters/modules/architectures.py", "adapters/modules/transformers/")
OTHER_MEANINGS = {
    "adapters/prompts/tags.py": {UNET},  # A1111's name of a tag's argument, and a field of a tag in JSON
    "adapters/hosting/tags.py": {UNET},
    "adapters/prompts/prompt.py": {UNET},
    "adapters/prompts/report_text.py": {UNET},
    "adapters/embeddings/load.py": {"sdxl"},  # a layout of embedding files
    "adapters/operations/embedding_convert.py": {"sdxl"},
    "adapters/operations/lora_extract.py": {TEXT_ENCODER},  # a parameter's name
    "benchmarks/generate.py": {
        "sdxl",
        UNET,
        TEXT_ENCODER,
        "text_encoder_2",
    },  # an option's value, parts of a diffusers pipeline
    "benchmarks/merge.py": {"sdxl"},  # an option's value
}


def literals(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_the_names_stand_in_one_place() -> None:
    names = {*PARTS, *ARCHITECTURES}
    found: dict[str, set[str]] = {}
    for path in chain.from_iterable((ROOT / folder).rglob("*.py") for folder in FOLDERS):
        relative = path.relative_to(ROOT).as_posix()
        words = {word for word in literals(path) if word in names or word.rstrip(".") in PARTS}
        if not relative.startswith(DECLARATIONS) and words - OTHER_MEANINGS.get(relative, set()):
            found[relative] = words
    assert found == {}


def test_every_network_is_a_declared_part() -> None:
    for architecture in ARCHITECTURES.values():
        assert set(architecture.networks) <= set(PARTS)
        assert set(architecture.encoders) <= set(architecture.networks)
        assert architecture.denoiser in architecture.networks
    assert all(architecture.context for architecture in UNET_MODELS.values())
    assert set(CLIPS.values()) == {TEXT_ENCODER, TEXT_ENCODER_2}
    assert SUPPORTED == "SD1, SD2 or SDXL"


def test_the_longest_prefix_comes_first() -> None:
    for naming in ("checkpoint", "kohya", "comfy"):
        prefixes = list(list_prefixes(naming))
        assert len(prefixes) == len(set(prefixes)) == sum(len(part.prefixes(naming)) for part in PARTS.values())
        for place, prefix in enumerate(prefixes):
            assert not any(later.startswith(prefix) for later in prefixes[place + 1 :])


def test_the_part_of_a_module() -> None:
    assert find_part("text_encoder_2.encoder.layers.0.mlp.fc1") == "text_encoder_2"
