"""LoRA files loaded by diffusers' own pipelines and PEFT, and by us, on small live transformers: the same answers.

Files of which diffusers 0.42 reads less, or other than what was trained, are listed with the layers in question.
Needs diffusers and peft: pip install diffusers peft.
"""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import torch
from safetensors.torch import save_file
from tests.support.live_transformers import LIVE, Live, answer, build
from tests.support.transformer_files import LOKR_SQUARE, WRITERS, make_sample

from underdrawing.adapters import load_adapter
from underdrawing.adapters.applying.patcher import Patcher
from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS
from underdrawing.adapters.modules.layers import Module

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

for package in ("diffusers", "peft"):
    pytest.importorskip(package, reason="NOT COMPARED WITH DIFFUSERS' LOADER: pip install diffusers peft")
BY_ID = {writer.id: writer for writer in (*WRITERS, *LOKR_SQUARE)}
LIMIT = 1e-5


class Case(NamedTuple):
    """A file for a model.

    algorithm: name of one of the writer's, else its first. layers: a pattern of those that the file has. loader: the
    pipeline's, the model's own, or PEFT's. wrong: a pattern of layers that diffusers gets wrong or leaves out.
    """

    model: str
    writer: str
    algorithm: str = ""
    layers: str = ""
    loader: str = "pipeline"
    wrong: str = "^$"


_ALL = ("ai-toolkit transformer", "OneTrainer DIFFUSERS", "SimpleTuner", "diffusers")
_BLOCKS = r"blocks|layers\.|refiner"
_DOUBLE = "^transformer_blocks"
_WAN = ("musubi converted", "ai-toolkit original", "ComfyUI")
_WAN_BLOCKS = ("sd-scripts", "OneTrainer KOHYA", "OneTrainer COMFY")
_LOKR = ("_lokr_whole", "_lokr_low")
_WHOLE = {
    "qwen_image": (*_WAN, *_WAN_BLOCKS, "ai-toolkit", "OneTrainer ORIGINAL", "DiffSynth"),
    **dict.fromkeys(("wan", "wan from pictures", "anima"), _WAN),
    "krea2": (*_WAN, "PEFT original"),
    "z_image": ("ai-toolkit", "DiffSynth"),
    "ltx": ("ai-toolkit",),
    "ernie": (*_WAN, "ai-toolkit", "PEFT", "PEFT original"),
}
_WHOLE_BLOCKS = {
    "flux2": ("sd-scripts", "OneTrainer KOHYA", *_WAN, "ai-toolkit", "PEFT", "PEFT original"),
    "z_image": ("sd-scripts", "OneTrainer KOHYA"),
    **dict.fromkeys(("wan", "wan from pictures"), _WAN_BLOCKS),
    "ltx": _WAN,
}
FAULTS = (
    Case("flux2", "musubi converted", wrong="norm_out"),
    Case("flux2", "sd-scripts", wrong="stream_modulation|norm_out|guidance_embedder"),
    Case("flux1", "sd-scripts", layers="^transformer_blocks|embed", wrong="embed"),
    Case("chroma", "sd-scripts", layers="^transformer_blocks|embed", wrong="embed"),
    Case("flux1", "ai-toolkit transformer", "_dora_magnitude", wrong="."),
    Case("flux1", "OneTrainer DIFFUSERS", "_dora_plain_in", wrong="."),
    Case("flux1", "OneTrainer LEGACY dotted", wrong="."),
    Case("flux1", "musubi converted", wrong="."),
    Case("sd3", "sd-scripts", wrong="."),
    Case("qwen_image", "OneTrainer KOHYA", "_dora_out", wrong="."),
    Case("z_image", "sd-scripts", wrong="all_final|all_x"),
    Case("z_image", "musubi converted", wrong="attention|all_final|all_x"),
    Case("anima", "ai-toolkit", wrong="^transformer_blocks"),
    Case("ltx", "musubi converted", wrong="proj_in|time_embed"),
    Case("lumina2", "sd-scripts", wrong="."),
)


def _list_cases() -> Iterator[Case]:
    for model, live in LIVE.items():
        for algorithm in ("_plain", "_dora_vector"):
            yield Case(model, "PEFT", algorithm, loader="peft")
        if live.loader:
            yield from (Case(model, writer) for writer in _ALL)
            yield Case(model, "OneTrainer DIFFUSERS", "_dora_vector")
            yield Case(model, "save_lora_adapter", loader="model")
        yield from (Case(model, writer) for writer in _WHOLE.get(model, ()))
        yield from (Case(model, writer, layers=_BLOCKS) for writer in _WHOLE_BLOCKS.get(model, ()))
    yield from (Case(model, "sd-scripts", layers=_DOUBLE) for model in ("flux1", "chroma"))
    for algorithm in _LOKR:
        yield from (Case(model, "LoKr bare", algorithm) for model in ("flux2", "z_image"))
        yield Case("z_image", "LoKr dotted", algorithm)
        yield Case("flux2", "LoKr lycoris", algorithm, layers="blocks")


def name_case(case: Case) -> str:
    return f"{case.model}-{case.writer}{case.algorithm}{'-blocks' if case.layers else ''}-{case.loader}"


def write_file(case: Case, live: Live, model: Any, folder: Path) -> Path:
    """The file as its writer writes it, with what stands in its header or beside it."""
    layers = {
        name: Module("Linear", tuple(module.weight.shape), bias=hasattr(module.bias, "shape"))
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and re.search(case.layers, name)
    }
    writer = BY_ID[case.writer]
    algorithm = next(one for one in writer.algorithms if one.__name__.startswith(case.algorithm))
    sample = make_sample(live.architecture, replace(writer, algorithms=(algorithm,)), layers, results=False)
    header = {**TRANSFORMER_MODELS[live.architecture].metadata, **writer.metadata}
    stems = sorted({key.removeprefix(writer.prefix).partition(".lora_")[0] for key in sample.tensors})
    if stated := json.loads(header.pop("lora_adapter_metadata", "null")):
        part = "transformer." if any(key.startswith("transformer.") for key in stated) else ""
        header["lora_adapter_metadata"] = json.dumps({**stated, f"{part}target_modules": stems})
    path = folder / ("adapter_model.safetensors" if writer.config else "style.safetensors")
    save_file(sample.tensors, path, header)
    if writer.config:
        config = {"peft_type": "LORA", "use_dora": "dora" in case.algorithm, "target_modules": stems}
        (folder / "adapter_config.json").write_text(json.dumps({**writer.config, **config}))
    return path


def load_theirs(case: Case, live: Live, path: Path) -> Any:
    """The model with the file on it, by diffusers or PEFT."""
    model = build(live)
    if case.loader == "peft":
        return importlib.import_module("peft").PeftModel.from_pretrained(model, path.parent).merge_and_unload()
    where, name = str(path.parent), path.name
    if case.loader == "model":
        model.load_lora_adapter(where, weight_name=name, prefix=None)
    else:
        make_pipeline(live, model).load_lora_weights(where, weight_name=name)
    return model


def make_pipeline(live: Live, model: Any) -> Any:
    """A pipeline of nothing but the transformer, with the loader of the model's own."""
    loaders = importlib.import_module("diffusers.loaders.lora_pipeline")
    mixin, pipeline = getattr(loaders, f"{live.loader}LoraLoaderMixin"), importlib.import_module("diffusers")
    made = type("Pipeline", (mixin, pipeline.DiffusionPipeline), {"__init__": _register})
    return made(model)


def _register(
    self: Any, transformer: Any, text_encoder: Any = None, text_encoder_2: Any = None, text_encoder_3: Any = None
) -> None:
    importlib.import_module("diffusers").DiffusionPipeline.__init__(self)
    encoders = {"text_encoder": text_encoder, "text_encoder_2": text_encoder_2, "text_encoder_3": text_encoder_3}
    self.register_modules(transformer=transformer, **encoders)


def list_weights(model: Any) -> dict[str, Tensor]:
    weights = {name.replace(".base_layer", ""): tensor.clone() for name, tensor in model.state_dict().items()}
    return {name: tensor for name, tensor in weights.items() if ".lora_" not in name and ".lokr_" not in name}


@torch.no_grad()
def measure(case: Case, folder: Path) -> tuple[float, set[str]]:
    """How far the answers are apart, and the layers whose weights are not the same."""
    live = LIVE[case.model]
    model = build(live)
    path = write_file(case, live, model, folder)
    adapter, patcher, plain = load_adapter(path), Patcher(transformer=model), answer(model, live)
    receipt = patcher.set([(adapter, 1.0, 1.0)])
    assert adapter.unused == {}
    assert receipt.skipped == 0
    ours, said = list_weights(model), answer(model, live)
    patcher.clear()
    assert torch.equal(plain, answer(model, live))
    assert not torch.allclose(plain, said, atol=1e-2)
    theirs = load_theirs(case, live, path)
    off = float((answer(theirs, live) - said).abs().max() / said.abs().max().clamp(min=1))
    if hasattr(theirs, "fuse_lora") and case.loader != "peft":
        theirs.fuse_lora()
    found = list_weights(theirs)
    assert ours.keys() <= found.keys()
    apart = {name for name, weight in ours.items() if (weight - found[name]).abs().max() > LIMIT * weight.abs().max()}
    return off, {name.rpartition(".")[0] for name in apart}


@pytest.mark.parametrize("case", list(_list_cases()), ids=name_case)
def test_the_same_answers(case: Case, tmp_path: Path) -> None:
    off, apart = measure(case, tmp_path)
    assert apart == set()
    assert off <= LIMIT


@pytest.mark.parametrize("case", FAULTS, ids=name_case)
def test_what_diffusers_reads_otherwise(case: Case, tmp_path: Path) -> None:
    """All other layers are the same, and these are not: when this fails, diffusers has mended its loader."""
    off, apart = measure(case, tmp_path)
    layers = {name for name, one in build(LIVE[case.model]).named_modules() if isinstance(one, torch.nn.Linear)}
    assert apart == {name for name in layers if re.search(case.layers, name) and re.search(case.wrong, name)}
    assert off > LIMIT
