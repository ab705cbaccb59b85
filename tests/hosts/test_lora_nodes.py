"""LoRA nodes against stubs of what they use of ComfyUI: patches give exactly what the deltas say, nothing is silent."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support import adapter_checkpoints as checkpoints
from tests.support import adapter_models as tiny
from tests.support.lora_host import Clip, LoRAAdapter, Patcher, calculate_weight, stubs

from underdrawing.adapters import load_adapter
from underdrawing.adapters.modules.spellings import to_ldm_name
from underdrawing.adapters.prompts.block_weights import parse_blocks
from underdrawing.comfy_nodes import lora, operations
from underdrawing.core.errors import BadParameter, BadWeights, UnderdrawingError, UnknownName, WriteFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

torch.set_num_threads(1)
NAMES = frozenset(tiny.SD15.modules())
WIDTHS = {"attn2.to_k": 768, "attn1.to_q": 16}
"""Layers of one block and the widths of what they read in SD1.5."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The loras folder of a stub host."""
    for name, module in stubs(tmp_path).items():
        monkeypatch.setitem(sys.modules, name, module)
    (tmp_path / "loras").mkdir()
    return tmp_path / "loras"


@pytest.fixture(scope="module")
def tables() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """UNet and text encoder of a small SD1.5 under the host's keys."""
    whole = checkpoints.sd15()
    unet = {k.removeprefix("model."): t for k, t in whole.items() if k.startswith("model.diffusion_model.")}
    clip = {k.replace("cond_stage_model.", "clip_l."): t for k, t in whole.items() if k.startswith("cond_stage")}
    return unet, clip


@pytest.fixture
def model(tables: tuple[dict[str, Tensor], dict[str, Tensor]]) -> Patcher:
    return Patcher(tables[0])


@pytest.fixture
def clip(tables: tuple[dict[str, Tensor], dict[str, Tensor]]) -> Clip:
    return Clip(tables[1])


def tool(name: str) -> Any:
    """The node of an operation."""
    return operations.nodes()[f"Underdrawing{name}"]()


def both(seed: int = 2) -> dict[str, Tensor]:
    return tiny.lora(tiny.SD15.modules(), "lora_unet_", seed=seed) | tiny.lora(
        tiny.CLIP.modules(), "lora_te_text_model_", seed=seed + 1
    )


def host_key(module: str, parameter: str = "weight") -> str:
    part, _, name = module.partition(".")
    stem = f"diffusion_model.{to_ldm_name(name, NAMES)}" if part == "unet" else f"clip_l.transformer.text_model.{name}"
    return f"{stem}.{parameter}"


def expected(path: Path, table: dict[str, Tensor], strength: Callable[[str], float]) -> dict[str, Tensor]:
    """What the deltas say, from the weights as they are."""
    changed = dict(table)
    for module, delta in load_adapter(path).modules.items():
        key = host_key(module)
        if key in table and strength(module):
            changed[key] = delta.apply(table[key], strength(module))
            bias = delta.apply_bias(table.get(host_key(module, "bias")), strength(module))
            if bias is not None:
                changed[host_key(module, "bias")] = bias
    return changed


def agree(one: dict[str, Tensor], two: dict[str, Tensor], *, exactly: bool = False) -> bool:
    if set(one) != set(two):
        return False
    if exactly:
        return all(torch.equal(one[key], two[key]) for key in one)
    return all(torch.allclose(one[key], two[key], rtol=1e-5, atol=1e-6) for key in one)


def test_plain_loras_become_the_host_s_own_patches(folder: Path, model: Patcher, clip: Clip) -> None:
    save_file(both(), folder / "a.safetensors")
    answer = lora.UnderdrawingLoraLoader().load(model, "a.safetensors", 0.8, 0.5, clip=clip)
    changed, encoder, told = answer["result"]
    assert not model.patches
    assert not clip.patcher.patches
    assert {type(held[0][1]) for held in changed.patches.values()} == {LoRAAdapter}
    assert agree(changed.result(), expected(folder / "a.safetensors", model.table, lambda _: 0.8))
    assert agree(encoder.patcher.result(), expected(folder / "a.safetensors", clip.patcher.table, lambda _: 0.5))
    assert len(changed.patches) + len(encoder.patcher.patches) == len(both()) // 3
    entry = answer["ui"]["receipt"][0]["adapters"][0]
    assert entry["applied"] == entry["keys"] == len(both())
    assert json.loads(json.dumps(answer["ui"]))["text"] == [told]
    assert "at unet 0.8, text encoder 0.5" in told


def odd(seed: int = 5) -> dict[str, Tensor]:
    """Kinds that depend on the weight, biases, norms and Tucker's form."""
    torch.manual_seed(seed)
    modules = tiny.SD15.modules()
    linear = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    rows, cols = modules[linear].shape
    table = {f"lora_unet_{linear.replace('.', '_')}.{k}": t for k, t in _dora(rows, cols).items()}
    proj = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"
    rows, cols = modules[proj].shape
    table |= {f"lora_unet_{proj.replace('.', '_')}.{k}": t for k, t in _glora(rows, cols).items()}
    table["lora_unet_mid_block_attentions_0_norm.w_norm"] = torch.randn(modules["mid_block.attentions.0.norm"].shape)
    table["lora_unet_mid_block_attentions_0_norm.b_norm"] = torch.randn(modules["mid_block.attentions.0.norm"].shape)
    table["lora_unet_conv_in.diff"] = torch.randn(modules["conv_in"].shape)
    table["lora_unet_conv_in.diff_b"] = torch.randn(modules["conv_in"].shape[0])
    query = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    table[f"lora_unet_{query.replace('.', '_')}.weight"] = torch.randn(modules[query].shape[0]) * 0.1
    table[f"lora_unet_{query.replace('.', '_')}.on_input"] = torch.tensor(0)
    return table


def _dora(rows: int, cols: int) -> dict[str, Tensor]:
    return {
        "lora_up.weight": torch.randn(rows, 2),
        "lora_down.weight": torch.randn(2, cols),
        "alpha": torch.tensor(1.0),
        "dora_scale": torch.rand(rows, 1) + 0.5,
    }


def _glora(rows: int, cols: int) -> dict[str, Tensor]:
    sizes = {"a1": (2, cols), "a2": (cols, 2), "b1": (2, cols), "b2": (rows, 2)}
    return {f"{name}.weight": torch.randn(size) * 0.1 for name, size in sizes.items()} | {"alpha": torch.tensor(1.0)}


@pytest.mark.parametrize("strength", [1.0, 0.7, -0.4])
def test_kinds_the_core_lacks_are_exact(folder: Path, model: Patcher, strength: float) -> None:
    save_file(odd(), folder / "odd.safetensors")
    changed, _, told = lora.UnderdrawingLoraLoader().load(model, "odd.safetensors", strength, 1.0)["result"]
    kinds = load_adapter(folder / "odd.safetensors").algorithms
    assert {"dora", "glora", "ia3", "norm"} <= {kind.partition(" ")[0] for kind in kinds}, kinds
    assert agree(changed.result(), expected(folder / "odd.safetensors", model.table, lambda _: strength), exactly=True)
    assert "skipped" not in told


def test_a_bias_that_a_layer_lacks_is_refused_by_name(folder: Path, model: Patcher) -> None:
    table = odd()
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    save_file(table | {f"{name}.diff_b": torch.randn(8)}, folder / "odd.safetensors")
    answer = lora.UnderdrawingLoraLoader().load(model, "odd.safetensors", 1.0, 1.0)
    entry = answer["ui"]["receipt"][0]["adapters"][0]
    assert len(entry["skipped"]) == 5
    assert entry["applied"] + len(entry["skipped"]) == entry["keys"] == len(table) + 1
    assert all("bias" in why for why in entry["skipped"].values())


def test_a_stack_is_computed_from_the_weights_it_meets(folder: Path, model: Patcher, clip: Clip) -> None:
    save_file(odd(), folder / "a.safetensors")
    save_file(both(), folder / "b.safetensors")
    text = "a cat<lora:a:0.5><lyco:b:0.2:0.4>, (oil:1.2)"
    changed, encoder, plain, told = lora.UnderdrawingLoraStack().load(model, clip, text)["result"]
    assert plain == "a cat, (oil:1.2)"
    one = expected(folder / "a.safetensors", model.table, lambda _: 0.5)
    two = expected(folder / "b.safetensors", model.table, lambda _: 0.4)
    total = {key: one[key] + two[key] - tensor for key, tensor in model.table.items()}
    assert agree(changed.result(), total)
    assert agree(encoder.patcher.result(), expected(folder / "b.safetensors", clip.patcher.table, lambda _: 0.2))
    assert told.count("keys on") == 2


def test_an_empty_prompt_changes_nothing(folder: Path, model: Patcher, clip: Clip) -> None:
    changed, encoder, plain, told = lora.UnderdrawingLoraStack().load(model, clip, "a cat")["result"]
    assert (plain, told, changed.patches, encoder.patcher.patches) == ("a cat", "no adapters", {}, {})


def test_block_weights_and_own_presets(folder: Path, model: Patcher, clip: Clip) -> None:
    save_file(both(), folder / "a.safetensors")
    values = "1,0,0,0,0,0,0,0.5,0,0,0,0,0,0,0,0,2"
    loader = lora.UnderdrawingLoraBlocks().load(model, "a.safetensors", 0.8, 0.8, values, clip=clip)["result"]
    stack = lora.UnderdrawingLoraStack().load(model, clip, "<lora:a:0.8:lbw=MINE>", f"MINE:{values}\n")["result"]
    weights = parse_blocks(values)
    for changed, encoder, *_ in (loader, stack):
        told = expected(folder / "a.safetensors", model.table, lambda m: 0.8 * weights.weight_of(m))
        assert agree(changed.result(), told)
        assert len(encoder.patcher.patches) == 72


def test_dyn_keeps_the_first_ranks(folder: Path, model: Patcher, clip: Clip) -> None:
    save_file(both(), folder / "a.safetensors")
    changed = lora.UnderdrawingLoraStack().load(model, clip, "<lora:a:1:1:1>")["result"][0]
    up, down, alpha, *_ = changed.patches["diffusion_model.input_blocks.0.0.weight"][0][1].weights
    stored = load_adapter(folder / "a.safetensors").modules["unet.conv_in"]
    assert torch.equal(up, stored.up[:, :1])  # type: ignore[attr-defined]
    assert torch.equal(down, stored.down[:1])  # type: ignore[attr-defined]
    assert alpha == 0.5


def frames(hook: Any) -> list[tuple[float, float]]:
    return [(frame.start_percent, round(frame.strength, 6)) for frame in hook.hook_keyframe.hooks]


def test_step_ranges_travel_with_the_conditioning(folder: Path, model: Patcher, clip: Clip) -> None:
    save_file(both(), folder / "a.safetensors")
    text = "x<lora:a:0.5:0.8:start=0.25:stop=0.5>"
    changed, encoder, _, told = lora.UnderdrawingLoraStack().load(model, clip, text)["result"]
    assert not changed.patches
    assert not encoder.patcher.patches
    unet, te = encoder.apply_hooks_to_conds.hooks
    assert frames(unet) == [(0.0, 0.0), (0.25, 0.8), (0.5, 0.0)]
    assert frames(te) == [(0.0, 0.0), (0.25, 0.5), (0.5, 0.0)]
    assert unet.need_weight_init is False
    assert {frame.guarantee_steps for frame in unet.hook_keyframe.hooks} == {0}
    assert (len(unet.weights_clip), len(te.weights), len(te.weights_clip)) == (0, 0, 72)
    assert set(unet.weights) <= set(model.table)
    assert encoder.use_clip_schedule
    assert encoder.patcher.registered == [unet, te]
    assert clip.apply_hooks_to_conds is None
    assert "from 0% unet 0 text encoder 0, from 25% unet 0.8 text encoder 0.5, from 50% unet 0" in told
    assert "at unet 0.8, text encoder 0.5 at most" in told
    hooked = {key: calculate_weight([(0.8, unet.weights[key])], model.table[key], key) for key in unet.weights}
    assert agree({**model.table, **hooked}, expected(folder / "a.safetensors", model.table, lambda _: 0.8))


def test_steps_need_their_number(folder: Path, model: Patcher, clip: Clip) -> None:
    save_file(tiny.lora(tiny.SD15.modules(), "lora_unet_"), folder / "a.safetensors")
    node, text = lora.UnderdrawingLoraStack(), "<lora:a:1:start=5>"
    with pytest.raises(BadParameter, match="counts steps"):
        node.load(model, clip, text)
    encoder = node.load(model, clip, text, steps=20)["result"][1]
    (hook,) = encoder.apply_hooks_to_conds.hooks
    assert frames(hook) == [(0.0, 0.0), (0.25, 1.0)]
    assert not encoder.use_clip_schedule
    assert not encoder.patcher.forced_hooks.hooks
    curve = node.load(model, clip, "<lora:a:0@0,1@1>", steps=5)["result"][1]
    assert frames(curve.apply_hooks_to_conds.hooks[0]) == [(0.0, 0), (0.2, 0.25), (0.4, 0.5), (0.6, 0.75), (0.8, 1)]


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("<lora:nothing:1>", UnknownName, "no LoRA is called 'nothing'"),
        ("<lora:../../secret:1>", BadParameter, "leaves its folder"),
        ("<lora:/etc/passwd:1>", BadParameter, "absolute path"),
        ("<lora:a:much>", BadParameter, "much"),
        ("<hypernet:a:1>", BadParameter, "hypernetworks"),
        ("<lora:broken:1>", BadWeights, "broken"),
        ("<lora:foreign:1>", BadWeights, "nothing of it fits"),
    ],
)
def test_what_cannot_be_applied_stops_or_is_told(
    folder: Path, model: Patcher, clip: Clip, text: str, error: type[UnderdrawingError], match: str
) -> None:
    save_file(both(), folder / "a.safetensors")
    (folder / "broken.safetensors").write_bytes(b"\xff" * 64)
    save_file(tiny.lora(tiny.SDXL.modules(), "lora_unet_"), folder / "foreign.safetensors")
    foreign = Patcher({key: tensor[:1] for key, tensor in model.table.items()})
    target = foreign if "foreign" in text else model
    with pytest.raises(error, match=match):
        lora.UnderdrawingLoraStack().load(target, clip, f"x {text}")
    if "foreign" not in text:
        answer = lora.UnderdrawingLoraStack().load(model, clip, f"x {text}<lora:a:1>", problems="skip")
        changed, _, plain, told = answer["result"]
        assert plain == "x "
        assert f"skipped {text}: " in told
        assert changed.patches


@pytest.mark.parametrize("name", ["UnderdrawingLoraLoader", "UnderdrawingLoraBlocks"])
@pytest.mark.parametrize("fits", [True, False])
def test_a_lora_for_another_base_model_stops_or_is_applied_as_far_as_it_fits(
    folder: Path, name: str, fits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    layer = "input_blocks.4.1.transformer_blocks.0"
    model = Patcher({f"diffusion_model.{layer}.{key}.weight": torch.randn(16, n) for key, n in WIDTHS.items()})
    tensors: dict[str, Tensor] = {}
    for key, width in ({**WIDTHS, "attn2.to_k": 2048} if fits else {"attn2.to_k": 2048}).items():
        stem = f"lora_unet_{layer}.{key}".replace(".", "_")
        tensors |= {f"{stem}.lora_up.weight": torch.randn(16, 2), f"{stem}.lora_down.weight": torch.randn(2, width)}
    save_file(tensors, folder / "xl.safetensors")
    given: dict[str, Any] = {"model": model, "lora_name": "xl.safetensors", "strength_model": 1.0, "strength_clip": 1.0}
    node = lora.nodes()[name]()
    with pytest.raises(BadWeights, match=r"was made for SDXL, and this model is SD 1.*, or set allow_mismatch$"):
        node.load(**given)
    changed, _, report = node.load(**given, allow_mismatch=True)["result"]
    assert set(changed.patches) == ({f"diffusion_model.{layer}.attn1.to_q.weight"} if fits else set())
    assert "skipped 2" in report
    assert "2 of" in caplog.text
    assert "were not applied" in caplog.text


def test_an_alias_names_a_file_and_other_tags_are_noted(folder: Path, model: Patcher, clip: Clip) -> None:
    save_file(both(), folder / "file.safetensors", {"ss_output_name": "My Style"})
    told = lora.UnderdrawingLoraStack().load(model, clip, "<lora:My Style:1:hr=0.5><x:y>")["result"][3]
    assert "file: " in told
    assert "no second pass" in told
    assert "removed <x:y>" in told


def test_learned_tokens_are_left_for_the_encode_node(folder: Path, model: Patcher, clip: Clip) -> None:
    token = {"bundle_emb.sty.string_to_param.*": torch.randn(2, 768)}
    save_file(both() | token, folder / "a.safetensors")
    encoder = lora.UnderdrawingLoraStack().load(model, clip, "<lora:a:1>")["result"][1]
    left = encoder.patcher.get_attachment("underdrawing_tokens")
    assert torch.equal(left["sty"]["text_encoder"], token["bundle_emb.sty.string_to_param.*"])
    assert clip.patcher.get_attachment("underdrawing_tokens") is None


def test_files_are_read_once_until_they_change(
    folder: Path, model: Patcher, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(both(), folder / "a.safetensors")
    read: list[Path] = []

    def counting(path: Path) -> Any:
        read.append(path)
        return load_adapter(path)

    monkeypatch.setattr("underdrawing.adapters.reading.load.load_adapter", counting)
    node = lora.UnderdrawingLoraStack()
    for text in ("<lora:a:1><lora:a:0.5>", "<lora:a:0.2>", "no tag", "<lora:a:1>"):
        node.load(model, clip, text)
    assert len(read) == 2


def test_hosts_without_weight_adapters_get_differences(
    folder: Path, model: Patcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "comfy.weight_adapter", None)
    save_file(both(), folder / "a.safetensors")
    changed = lora.UnderdrawingLoraLoader().load(model, "a.safetensors", 0.8, 1.0)["result"][0]
    assert agree(changed.result(), expected(folder / "a.safetensors", model.table, lambda _: 0.8))
    save_file(odd(), folder / "odd.safetensors")
    with pytest.raises(UnderdrawingError, match="too old"):
        lora.UnderdrawingLoraLoader().load(model, "odd.safetensors", 1.0, 1.0)


def test_a_patch_the_host_does_not_take_is_an_error(
    folder: Path, model: Patcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(self: Patcher, patches: dict[str, Any], strength_patch: float = 1.0) -> list[str]:
        return list(patches)[1:]

    save_file(both(), folder / "a.safetensors")
    monkeypatch.setattr(Patcher, "add_patches", refusing)
    with pytest.raises(BadWeights, match="refused 1 of"):
        lora.UnderdrawingLoraLoader().load(model, "a.safetensors", 1.0, 1.0)


def test_half_precision_is_cast_once(folder: Path, model: Patcher) -> None:
    save_file(odd(), folder / "odd.safetensors")
    half = Patcher({key: tensor.half() for key, tensor in model.table.items()})
    changed = lora.UnderdrawingLoraLoader().load(half, "odd.safetensors", 1.0, 1.0)["result"][0]
    for module, delta in load_adapter(folder / "odd.safetensors").modules.items():
        key = host_key(module)
        ((strength, patch, *_),) = changed.patches[key]
        assert torch.equal(patch.calculate_weight(half.table[key], key, strength), delta.apply(half.table[key], 1.0))


def test_inspect_tells_text_and_json(folder: Path) -> None:
    save_file(both(), folder / "a.safetensors")
    told, report = tool("LoraInspect").run(lora_name="a.safetensors")["result"]
    assert "dialect      kohya" in told
    assert json.loads(report)["keys"] == len(both())


def test_extract_from_two_live_models_gives_the_lora_back(folder: Path, model: Patcher) -> None:
    save_file(tiny.lora(tiny.SD15.modules(), "lora_unet_"), folder / "a.safetensors")
    tuned = lora.UnderdrawingLoraLoader().load(model, "a.safetensors", 1.0, 1.0)["result"][0]
    node = tool("LoraExtract")
    name, told = node.run(tuned=tuned, base=model, filename="got", rank=4, conv_rank=4, dtype="float32")["result"]
    assert name == "got.safetensors"
    assert "modules" in told
    again = lora.UnderdrawingLoraLoader().load(model, name, 1.0, 1.0)["result"][0]
    one, two = again.result(), tuned.result()
    assert all(torch.allclose(one[key], two[key], atol=1e-4) for key in two)
    with pytest.raises(WriteFailed, match="exists"):
        node.run(tuned=tuned, base=model, filename="got")


def test_merge_does_what_the_stack_does(folder: Path, model: Patcher, clip: Clip) -> None:
    for number, name in enumerate("ab"):
        save_file(both(2 + 10 * number), folder / f"{name}.safetensors")
    tags = "<lora:a:0.3:0.8> <lora:b:-0.5>"
    name = tool("LoraMerge").run(loras=tags, filename="sub/ab", how="concat")["result"][0]
    assert Path(name) == Path("sub/ab.safetensors")
    one = lora.UnderdrawingLoraStack().load(model, clip, "<lora:sub/ab:1>")["result"]
    two = lora.UnderdrawingLoraStack().load(model, clip, tags)["result"]
    assert agree(one[0].result(), two[0].result())
    assert agree(one[1].patcher.result(), two[1].patcher.result())
    for wrong in ("nothing", "<lora:a:1:start=0.5>", "<lora:a:1:lbw=INS>"):
        with pytest.raises(BadParameter):
            tool("LoraMerge").run(loras=wrong, filename="other", how="concat")


def test_convert_writes_other_names_and_never_its_input(folder: Path) -> None:
    save_file(both(), folder / "a.safetensors")
    before = (folder / "a.safetensors").read_bytes()
    node = tool("LoraConvert")
    node.run(lora_name="a.safetensors", filename="b", naming="diffusers")
    assert any(".lora_A." in key or ".lora.down" in key for key in load_file(folder / "b.safetensors"))
    node.run(lora_name="a.safetensors", filename="p", naming="peft")
    assert list((folder / "p").rglob("adapter_config.json"))
    with pytest.raises(WriteFailed):
        node.run(lora_name="a.safetensors", filename="b", naming="kohya")
    node.run(lora_name="a.safetensors", filename="b", naming="kohya", overwrite=True)
    assert load_file(folder / "b.safetensors").keys() == both().keys()
    for wrong in ("../b", "", "/b"):
        with pytest.raises(BadParameter):
            node.run(lora_name="a.safetensors", filename=wrong, naming="kohya")
    with pytest.raises(BadParameter, match="one of the inputs"):
        node.run(lora_name="a.safetensors", filename="a", naming="kohya", overwrite=True)
    assert (folder / "a.safetensors").read_bytes() == before


def test_every_optional_input_has_the_default_of_its_widget(folder: Path) -> None:
    import inspect

    for node in lora.nodes().values():
        entry = inspect.signature(getattr(node, node.FUNCTION)).parameters  # type: ignore[attr-defined]
        told = node.INPUT_TYPES()  # type: ignore[attr-defined]
        assert {"self", *told["required"], *told.get("optional", {})} <= set(entry)
        for name, (kind, options) in told.get("optional", {}).items():
            assert entry[name].default == options.get("default"), (node, name, kind)
        assert "Underdrawing" in node.TITLE  # type: ignore[attr-defined]
        assert len(node.DESCRIPTION) > 40  # type: ignore[attr-defined]


def test_a_missing_lora_says_which_tag_folders_and_near_names(folder: Path, model: Patcher, clip: Clip) -> None:
    save_file(both(), folder / "watercolour.safetensors")
    with pytest.raises(UnknownName) as caught:
        lora.UnderdrawingLoraStack().load(model, clip, "x <lora:watercolor:0.5>")
    text = str(caught.value)
    for part in ("<lora:watercolor:0.5>", "no LoRA is called 'watercolor'", str(folder), "did you mean watercolour?"):
        assert part in text


def test_a_partly_applied_lora_is_a_warning_in_the_log(
    folder: Path, model: Patcher, clip: Clip, caplog: pytest.LogCaptureFixture
) -> None:
    extra = {"lora_unet_no_such_module.lora_down.weight": torch.zeros(2, 8)}
    save_file({**both(), **extra}, folder / "a.safetensors")
    lora.UnderdrawingLoraLoader().load(model, "a.safetensors", 1.0, 1.0, clip=clip)
    (record,) = [entry for entry in caplog.records if "were not applied" in entry.getMessage()]
    assert record.levelname == "WARNING"
    assert "a: 1 of " in record.getMessage()
    caplog.clear()
    save_file(both(), folder / "b.safetensors")
    lora.UnderdrawingLoraLoader().load(model, "b.safetensors", 1.0, 1.0, clip=clip)
    assert "were not applied" not in caplog.text
