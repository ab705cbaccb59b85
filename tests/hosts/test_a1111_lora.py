"""LoRAs behind A1111's own tags, in a stub host; the real one runs in test_a1111_lora_live."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from tests.support.fake_networks import DOWN, LAYERS, WIDTH, Job, Params, draw_factors, spell
from tests.support.fake_webui import FakeWebui

from underdrawing.a1111_extension import lora
from underdrawing.adapters.hosting.options import INFOTEXT, OPTIONS, PRESETS, TAGS, TITLE

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).resolve().parents[2] / "a1111_extension" / "scripts" / "underdrawing.py"
LAYERS_DOWN = [name for name in LAYERS if DOWN.replace(".", "_") in name]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeWebui]:
    made = FakeWebui(tmp_path_factory.mktemp("a1111"))
    folder, factors = made.base / "models" / "Lora", draw_factors()
    for form in ("kohya", "diffusers", "peft", "processor"):
        save_file(spell(factors, form), folder / f"{form}.safetensors")
    unet = {key: value for key, value in spell(factors, "kohya").items() if "_te_" not in key}
    save_file(unet, folder / "unet.safetensors")
    bias = {f"{LAYERS[0]}.diff_b": torch.ones(WIDTH)}
    save_file({**spell(factors, "kohya"), **bias}, folder / "bias.safetensors")
    torch.save(spell(factors, "diffusers"), folder / "pickled.bin")
    (folder / "cut.safetensors").write_bytes((folder / "peft.safetensors").read_bytes()[:200])
    made.enter()
    made.reload(SCRIPT)
    yield made
    made.leave()


def step_of(host: FakeWebui, steps: int = 4) -> Any:
    """What the host tells before each call of the UNet."""
    job = SimpleNamespace(is_hr_pass=False)

    def tell(step: int) -> None:
        denoiser = SimpleNamespace(step=step, steps=steps, total_steps=steps, p=job)
        host.run("on_cfg_denoiser", SimpleNamespace(denoiser=denoiser))

    return tell


def draw(host: FakeWebui, *tags: str) -> tuple[Any, list[dict[str, torch.Tensor]]]:
    return host.loras.draw(*tags, at=step_of(host))


def equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(left[name], right[name]) for name in LAYERS)


@pytest.mark.parametrize("twin", ["diffusers kohya", "peft unet", "processor unet", "pickled kohya"])
@pytest.mark.parametrize("rest", ["1", "0.5", "1:0", "1:lbw=INALL", "1:start=0.5", "1:stop=1", "0@0,1@1"])
def test_foreign_forms_change_the_same_as_their_twins(host: FakeWebui, twin: str, rest: str) -> None:
    foreign, own = twin.split()
    (_, left), (_, right) = draw(host, f"{foreign}:{rest}"), draw(host, f"{own}:{rest}")
    assert all(equal(one, other) for one, other in zip(left, right, strict=True))
    assert rest == "1:0" or not equal(left[-1], host.loras.original) or "stop" in rest
    assert equal(draw(host)[1][0], host.loras.original)


def test_what_the_host_reads_by_itself_is_left_to_it(host: FakeWebui) -> None:
    job, (layers, *_) = draw(host, "kohya:1")
    up, down = draw_factors()[f"unet.{DOWN}.attn1.to_q"]
    assert torch.equal(layers[LAYERS[0]], host.loras.original[LAYERS[0]] + up @ down * 1.0)
    assert TITLE not in job.extra_generation_params
    assert not job.comments


def test_block_weights_change_with_the_tag_and_go_back(host: FakeWebui) -> None:
    _, (inner, *_) = draw(host, "kohya:1:lbw=INALL")
    _, (outer, *_) = draw(host, "kohya:1:lbw=OUTALL")
    _, (plain, *_) = draw(host, "kohya:1")
    for name in LAYERS[:4]:
        assert torch.equal(inner[name] if name in LAYERS_DOWN else outer[name], plain[name])
        assert torch.equal(outer[name] if name in LAYERS_DOWN else inner[name], host.loras.original[name])


def test_one_name_twice_is_applied_twice(host: FakeWebui) -> None:
    _, (both, *_) = draw(host, "kohya:1:lbw=INALL", "kohya:0.5:lbw=OUTALL")
    _, (one, *_) = draw(host, "kohya:1")
    _, (half, *_) = draw(host, "kohya:0.5")
    assert all(torch.equal(both[n], one[n] if n in LAYERS_DOWN else half[n]) for n in LAYERS[:4])


def test_ranges_work_in_their_steps(host: FakeWebui) -> None:
    _, steps = draw(host, "unet:1:start=1:stop=3")
    assert [equal(layers, host.loras.original) for layers in steps] == [True, False, False, True]


def test_the_second_prompt_is_encoded_with_its_own_strengths(host: FakeWebui) -> None:
    (job, tags), held = (Job(), Params(["kohya", "1", "hr=0.25"])), list[float]()
    for second in (False, True):
        job.hr_extra_network_data = {"lora": [tags] if second else []}
        host.loras.tags.ExtraNetworkLora().activate(job, [tags])
        held.append(host.loras.networks.loaded_networks[0].te_multiplier)
    assert held == [1.0, 0.25]


def test_receipts_stand_in_the_picture_and_for_the_tab(host: FakeWebui) -> None:
    job, _ = draw(host, "diffusers:1:lbw=INALL", "bias:1")
    text = job.extra_generation_params[TITLE]
    assert "diffusers: 5 of 5 modules, converted from diffusers, as diffusers:1:lbw=INALL" in text
    assert "1 lora computed" in text
    assert job.extra_generation_params["Lora hashes"] == "diffusers, bias"
    assert [one["name"] for one in lora.last_receipts()["loras"]] == ["diffusers", "bias"]


@pytest.mark.parametrize(
    ("tag", "told"),
    [("cut:1", "is cut off"), ("nothere:1", "no LoRA is called"), ("kohya:much", "'much' is not a number"),
     ("kohya:1:lbw=NOPE", "is no preset"), ("diffuser:1", "did you mean diffusers")],
)  # fmt: skip
def test_what_cannot_work_is_told_and_changes_nothing(host: FakeWebui, tag: str, told: str) -> None:
    job, steps = draw(host, tag)
    assert any(told in comment for comment in job.comments), job.comments
    assert equal(steps[0], host.loras.original)


def test_reloads_wrap_once_and_add_axes_again(host: FakeWebui) -> None:
    before = draw(host, "peft:1:lbw=INALL")[1][0]
    wrapped = host.loras.networks.load_network
    host.reload(SCRIPT)
    assert host.loras.networks.load_network is wrapped
    assert len(host.loras.networks.module_types) == 2
    assert [axis.label.split("] ")[1] for axis in host.plots.axis_options] == [
        "LoRA weight", "LoRA lbw", "LoRA start", "LoRA stop",
    ]  # fmt: skip
    assert equal(draw(host, "peft:1:lbw=INALL")[1][0], before)


def test_settings_take_ours_out_of_the_way(host: FakeWebui) -> None:
    host.run("on_ui_settings")
    assert set(host.settings) == set(OPTIONS)
    shared = host.modules["modules.shared"]
    shared.opts.data |= {TAGS: False, INFOTEXT: False}
    try:
        job, (layers, *_) = draw(host, "kohya:1:lbw=INALL")
        assert equal(layers, draw(host, "kohya:1")[1][0])
        assert TITLE not in job.extra_generation_params
    finally:
        shared.opts.data.clear()


def test_own_presets_are_read(host: FakeWebui) -> None:
    shared = host.modules["modules.shared"]
    shared.opts.data[PRESETS] = "MINE:1,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0; OTHER:0"
    try:
        assert equal(draw(host, "kohya:1:lbw=MINE")[1][0], draw(host, "kohya:1:lbw=INALL")[1][0])
        axis = next(axis for axis in host.plots.axis_options if axis.label.endswith("lbw"))
        assert {"INALL", "MINE"} <= set(axis.choices())
    finally:
        shared.opts.data.clear()


def test_axes_change_the_tags_of_a_prompt(host: FakeWebui) -> None:
    job: Any = SimpleNamespace(prompt="a cat <lora:kohya:1:0.5:2> <lora:peft>")
    axes = {axis.label.rpartition(" ")[2]: axis for axis in host.plots.axis_options}
    axes["weight"].apply(job, "0.3", [])
    axes["lbw"].apply(job, "INALL", [])
    assert job.prompt == "a cat <lora:kohya:0.3:0.3:2:lbw=INALL> <lora:peft:0.3:lbw=INALL>"


def test_embeddings_that_the_host_refuses_join_its_database(host: FakeWebui, tmp_path: Path) -> None:
    rows = torch.randn(2, 32)
    files = {
        "one": {"emb_params": rows},
        "pair": {"clip_l": rows, "clip_g": torch.randn(2, 1280)},
        "many": {"<a>": rows, "<b>": rows * 2},
    }
    database = host.embeddings()
    for name, tensors in files.items():
        save_file(tensors, tmp_path / f"{name}.safetensors")
        database.load_from_file(str(tmp_path / f"{name}.safetensors"), f"{name}.safetensors")
    assert set(database.word_embeddings) == {"one", "pair", "<a>", "<b>"}
    assert torch.equal(database.word_embeddings["pair"], rows)
