"""Base models with transformers are told by names and shapes; the header only where these do not tell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS
from underdrawing.adapters.modules.rows import match_name
from underdrawing.adapters.reading.recognition import Recognition, recognise_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from underdrawing.adapters.modules.layers import Module


class Shaped:
    """A tensor of which only the shape is read."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape
        self.ndim = len(shape)


Tensors = dict[str, Shaped]
ATTENTION = ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj")


def list_layers(model: str, variant: str = "") -> dict[str, Module]:
    architecture = TRANSFORMER_MODELS[model]
    transformer = architecture.variants.get(variant) or architecture.transformer
    assert transformer is not None
    return {name: module for name, module in transformer.modules().items() if module.kind in ("Linear", "Conv2d")}


def join_layers(model: str, layers: dict[str, Module]) -> dict[str, tuple[int, ...]]:
    """Shapes under the maker's names."""
    found: dict[str, tuple[int, ...]] = {}
    for name, module in layers.items():
        match = match_name(model, name)
        assert match is not None
        rows = found.get(match.original, (0,))[0]
        found[match.original] = (rows + module.shape[0], *module.shape[1:])
    return found


def make_lora(shapes: Iterable[tuple[str, tuple[int, ...]]], prefix: str) -> Tensors:
    found: Tensors = {}
    for name, shape in shapes:
        spelt = f"{prefix}{name}" if prefix.endswith(".") or not prefix else f"{prefix}{name.replace('.', '_')}"
        found |= {f"{spelt}.lora_down.weight": Shaped(4, *shape[1:]), f"{spelt}.lora_up.weight": Shaped(shape[0], 4)}
    return found


def recognise(tensors: Tensors, **metadata: str) -> Recognition:
    found = recognise_model(tensors, metadata)
    assert found is not None
    return found


CASES = [(name, variant) for name, model in TRANSFORMER_MODELS.items() for variant in model.variants or [""]]


@pytest.mark.parametrize(("model", "variant"), CASES)
def test_every_model_and_variant_is_told_by_all_its_layers(model: str, variant: str) -> None:
    layers = list_layers(model, variant)
    own = {name: module.shape for name, module in layers.items()}
    for shapes, prefix in (
        (own, "transformer."),
        (join_layers(model, layers), "lora_unet_"),
        (join_layers(model, layers), "diffusion_model."),
    ):
        found = recognise(make_lora(shapes.items(), prefix))
        assert (found.architecture, found.could_be, found.notes) == (model, (), ())
        own_model = TRANSFORMER_MODELS[model]
        candidates = [v for v in own_model.variants if v == variant or v not in own_model.extensions]
        same = [v for v in candidates if _has(list_layers(model, v), layers)]
        assert found.variant == (variant if len(same) == 1 else "")


def _has(one: dict[str, Module], layers: dict[str, Module]) -> bool:
    return all(name in one and one[name].shape == module.shape for name, module in layers.items())


@pytest.mark.parametrize(("model", "variant"), CASES)
def test_a_tiny_model_is_told_by_its_names(model: str, variant: str) -> None:
    """Of no released size."""
    transformer = TRANSFORMER_MODELS[model].transformer
    assert transformer is not None
    counts = dict.fromkeys((name for name in transformer.numbers if len(name) > 1), 2)
    widths = {"d": 16, "m": 48, "k": 8, "t": 24, "c": 4, "o": 4, "n": 40}
    tiny = transformer.resize(**counts, **{key: value for key, value in widths.items() if key in transformer.numbers})
    layers = {name: module for name, module in tiny.modules().items() if module.kind in ("Linear", "Conv2d")}
    found = recognise(make_lora(join_layers(model, layers).items(), "lora_unet_"))
    assert (found.architecture, found.variant, found.could_be) == (model, "", ())


@pytest.mark.parametrize(
    ("model", "variant", "layers", "could_be"),
    [
        ("flux1", "dev", ("to_q", "proj_mlp", "to_k"), ("Chroma", "HunyuanVideo")),
        ("flux2", "Klein 4B", ATTENTION, ()),
        ("sd3", "3.5 large", ATTENTION, ()),
        ("qwen_image", "", ATTENTION, ()),
        ("z_image", "", ("to_q", "to_k", "to_v", "to_out.0"), ()),
        ("wan", "2.1 1.3B", ("to_q", "to_k", "to_v", "to_out.0"), ()),
        ("lumina2", "", ("to_q", "to_k", "to_v"), ()),
        ("ltx", "2B", ("to_q", "to_k", "to_v", "to_out.0"), ()),
    ],
)
def test_attention_alone(model: str, variant: str, layers: tuple[str, ...], could_be: tuple[str, ...]) -> None:
    shapes = [(name, m.shape) for name, m in list_layers(model, variant).items() if name.endswith(layers)]
    found = recognise(make_lora(shapes, "transformer."))
    assert found.architecture == model
    assert set(found.could_be) <= set(could_be)
    assert bool(found.notes) == bool(found.could_be)


def test_the_header_decides_only_between_models_that_the_layers_fit() -> None:
    layers = [(f"double_blocks.{n}.img_attn.proj", (3072, 3072)) for n in range(3)]
    tensors = make_lora(layers, "lora_unet_")
    assert recognise(tensors).architecture == "flux1"
    assert "Chroma" in recognise(tensors).could_be
    chroma = recognise(tensors, ss_base_model_version="chroma")
    assert (chroma.architecture, chroma.could_be, chroma.notes) == ("chroma", (), ())
    for stated, title in (("sdxl_base_v1-0", "SDXL"), ("sd3_m", "SD3"), ("wan2.1", "Wan"), ("sd_v1", r"SD 1.x")):
        lie = recognise(tensors, ss_base_model_version=stated)
        assert lie.architecture == "flux1"
        assert any(title in note and "Flux.1" in note for note in lie.notes)


@pytest.mark.parametrize(("model", "variant"), [("flux1", "dev"), ("z_image", ""), ("sd3", "3 medium")])
def test_a_lying_header_is_overruled(model: str, variant: str) -> None:
    layers = list_layers(model, variant).items()
    shapes = [(name, module.shape) for name, module in layers if not re.search(r"(blocks|layers)\.[1-9]", name)]
    for other in TRANSFORMER_MODELS.values():
        if other.id != model:
            found = recognise(make_lora(shapes, "transformer."), **{"modelspec.architecture": other.trainer_names[0]})
            assert found.architecture == model
            assert any(other.title in note for note in found.notes)


def _hada(name: str, rows: int, columns: int) -> Tensors:
    a = {f"{name}.hada_w{n}_a": Shaped(rows, 2) for n in (1, 2)}
    return a | {f"{name}.hada_w{n}_b": Shaped(2, columns) for n in (1, 2)}


def _lokr(name: str, rows: int, columns: int) -> Tensors:
    return {
        f"{name}.lokr_w1": Shaped(4, 4),
        f"{name}.lokr_w2_a": Shaped(rows // 4, 2),
        f"{name}.lokr_w2_b": Shaped(2, columns // 4),
        f"{name}.alpha": Shaped(),
    }


def _full(name: str, rows: int, columns: int) -> Tensors:
    return {f"{name}.diff": Shaped(rows, columns), f"{name}.diff_b": Shaped(rows)}


def _weights(name: str, rows: int, columns: int) -> Tensors:
    return {f"{name}.weight": Shaped(rows, columns), f"{name}.bias": Shaped(rows)}


@pytest.mark.parametrize("make", [_hada, _lokr, _full, _weights])
@pytest.mark.parametrize("variant", ["Klein 4B", "Klein 9B", "dev"])
def test_shapes_of_every_algorithm_tell_the_size(make: Callable[[str, int, int], Tensors], variant: str) -> None:
    shapes = join_layers("flux2", list_layers("flux2", variant))
    tensors: dict[str, Any] = {}
    for name in ("double_blocks.0.img_attn.qkv", "single_blocks.1.linear1"):
        tensors |= make(f"diffusion_model.{name}", *shapes[name][:2])
    assert recognise(tensors).title == f"Flux.2 {variant}"


def test_layers_that_a_unet_shares_names_with_leave_it_a_unet() -> None:
    tensors = {
        f"lora_unet_{name}.lora_{side}.weight": Shaped()
        for name in ("conv_in", "time_embedding_linear_1")
        for side in ("up", "down")
    }
    assert recognise_model(tensors, {}) is None


def test_what_names_no_layer() -> None:
    assert recognise_model({}, {}) is None
    assert recognise_model({"lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha": Shaped()}, {}) is None
    unet = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.alpha"
    assert recognise_model({unet: Shaped()}, {"ss_base_model_version": "flux1"}) is None
    alone = recognise_model({"lora_te1_x.alpha": Shaped()}, {"modelspec.architecture": "Flux-1-dev/lora"})
    assert alone is not None
    assert alone.architecture == "flux1"


@pytest.mark.parametrize(
    ("stated", "channels", "variant"),
    [
        ("flux-1-dev-kontext/lora", 64, "Kontext"),
        ("flux-1-kontext", 0, "Kontext"),
        ("flux-1-schnell", 0, "schnell"),
        ("flux-1-fill", 64, "dev"),  # by the header, but its first layer is no wider
        ("flux-1-dev", 384, "Fill"),
        ("flux-1-dev", 0, ""),
    ],
)
def test_the_header_names_variants_that_share_their_shapes(stated: str, channels: int, variant: str) -> None:
    layers: list[tuple[str, tuple[int, ...]]] = [("transformer_blocks.0.norm1.linear", (18432, 3072))]
    if channels:
        layers += [("x_embedder", (3072, channels)), ("time_text_embed.guidance_embedder.linear_1", (3072, 256))]
    found = recognise(make_lora(layers, "transformer."), **{"modelspec.architecture": stated})
    assert (found.architecture, found.variant) == ("flux1", variant)


@pytest.mark.parametrize("layer", ["blocks.39.attn1.to_q", "blocks.0.ffn.net.2"])
def test_layers_that_an_extension_shares_do_not_mean_it(layer: str) -> None:
    found = recognise(make_lora([(layer, list_layers("wan", "2.1 VACE 14B")[layer].shape)], "transformer."))
    assert found.architecture == "wan"
    assert "VACE" not in found.variant
