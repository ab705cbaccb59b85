"""Every node executed in a stub host: the same bytes as from Python, whatever a workflow sends."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from tests.support.fake_host import Host, Interrupted
from tests.support.pictures import noise, photo

import underdrawing
from underdrawing.core.annotator import Kind
from underdrawing.core.images.writing import read_info
from underdrawing.core.weights.store import get_store
from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from underdrawing.core.annotator import Annotator

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = ROOT / "examples" / "photos" / "astronaut.png"


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, dict[str, Any]]]:
    host = Host(tmp_path_factory.mktemp("base"))
    host.enter()
    folder = host.base / "custom_nodes" / "a pack.2"
    folder.symlink_to(ROOT, target_is_directory=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNDERDRAWING_DOWNLOAD", "never")
        yield host, host.load(folder).NODE_CLASS_MAPPINGS
    host.leave()


@pytest.fixture
def host(pack: tuple[Host, dict[str, Any]]) -> Host:
    return pack[0]


@pytest.fixture
def nodes(pack: tuple[Host, dict[str, Any]]) -> dict[str, Any]:
    return pack[1]


def tensor(pixels: Any) -> torch.Tensor:
    """IMAGE as LoadImage makes it."""
    return torch.from_numpy(np.asarray(pixels).astype(np.float32) / 255.0)


def saved(image: torch.Tensor) -> Any:
    """Bytes as SaveImage writes them: cut, not rounded."""
    return np.clip(255.0 * image.numpy(), 0, 255).astype(np.uint8)


def outputs(result: Any) -> tuple[Any, ...]:
    return result["result"] if isinstance(result, dict) else result


def named(annotator: type[Annotator[Any]]) -> str:
    return "Underdrawing" + "".join(part.capitalize() for part in annotator.spec.id.split("_"))


def runnable() -> list[type[Annotator[Any]]]:
    return [a for a in registry if all(w.bundled for w in a.weights_for(a.params()))]


@pytest.mark.parametrize("annotator", runnable(), ids=lambda a: a.spec.id)
def test_a_map_has_the_bytes_that_python_gives(annotator: type[Annotator[Any]], nodes: dict[str, Any]) -> None:
    pixels = np.asarray(Image.open(PEOPLE).convert("RGB").resize((200, 160)))
    mask = np.zeros((160, 200), np.float32)
    mask[40:90, 50:120] = 1
    masked = {"mask": torch.from_numpy(mask)[None]} if annotator.spec.takes_mask else {}
    result = nodes[named(annotator)]().annotate(image=tensor(pixels)[None], resolution=128, **masked)
    wanted = underdrawing.annotate(
        annotator.spec.id, pixels, resolution=128, masks=mask if masked else None, device="cpu"
    )
    image = outputs(result)[0]
    assert image.dtype == torch.float32
    assert image.device.type == "cpu"
    if annotator.spec.kind is Kind.INPAINT:
        assert wanted.values is not None
        assert np.array_equal(image.numpy(), wanted.values)
    else:
        assert np.array_equal(saved(image), wanted.images)
    check_more(annotator, nodes[named(annotator)], result, wanted)


def check_more(annotator: type[Annotator[Any]], node: Any, result: Any, wanted: Any) -> None:
    """Outputs beside the picture, and that the declaration keeps its word."""
    found = outputs(result)
    assert len(found) == len(node.RETURN_TYPES)
    declared = {"none": None, "scalar": 3, "rgb": 4, "labels": 3}[annotator.spec.values]
    assert declared == (None if wanted.values is None else wanted.values.ndim)
    for kind, label, value in zip(node.RETURN_TYPES, node.RETURN_NAMES, found, strict=True):
        if kind == "MASK":
            assert tuple(value.shape) == wanted.images.shape[:3]
        if label in ("values", "labels"):
            assert wanted.values is not None
            assert np.array_equal(value.numpy(), wanted.values)
        if kind == "STRING":
            assert [one["dataset"] for one in json.loads(value)] == [one.dataset for one in wanted.segments or ()]
        if kind == "POSE_KEYPOINT":
            assert len(value) == 1
            assert {"people", "canvas_width", "canvas_height"} == set(value[0])
            assert json.loads(result["ui"]["openpose_json"][0]) == value


@pytest.mark.parametrize("annotator", runnable(), ids=lambda a: a.spec.id)
def test_the_other_packs_names_give_the_same_map(annotator: type[Annotator[Any]], nodes: dict[str, Any]) -> None:
    for alias in annotator.spec.aliases:
        needed = annotator.weights_for(annotator.params(**alias.presets))
        if alias.host != "comfyui" or not all(get_store().find(weight) for weight in needed):
            continue
        picture, masks = photo(96, 112), np.zeros((1, 96, 112), bool)
        masks[:, 20:50, 20:50] = True
        masked = {"mask": torch.from_numpy(masks.astype(np.float32))} if annotator.spec.takes_mask else {}
        sized = any(widget.name == "resolution" for widget in alias.widgets)
        result = nodes[alias.name]().annotate(
            image=tensor(picture)[None], **({"resolution": 128} if sized else {}), **masked
        )
        wanted = underdrawing.annotate(
            alias.name, picture, resolution=128 if sized else 0, masks=masks if masked else None, device="cpu"
        )
        assert np.array_equal(np.maximum(outputs(result)[0].numpy(), 0), wanted.images.astype(np.float32) / 255)


def weightless(kind: Kind) -> str:
    return next(named(a) for a in registry if a.spec.kind is kind and not a.spec.weights)


def test_batches_tick_and_stop_between_pictures(nodes: dict[str, Any], host: Host) -> None:
    batch = tensor(np.stack([noise(40, 48, seed) for seed in range(5)]))
    node = nodes[weightless(Kind.EDGES)]()
    whole = outputs(node.annotate(image=batch, resolution=32))[0]
    assert whole.shape[0] == 5
    assert host.ticks[-1] == 5
    for index in range(5):
        assert torch.equal(whole[index], outputs(node.annotate(image=batch[index : index + 1], resolution=32))[0][0])
    host.stop_at = host.checks + 3
    with pytest.raises(Interrupted):
        node.annotate(image=batch, resolution=32)
    assert host.ticks[-1] == 2
    host.stop_at = -1


def test_a_network_is_owned_by_the_host_and_stops_between_runs(nodes: dict[str, Any], host: Host) -> None:
    annotator = next(a for a in runnable() if a.spec.weights and a.spec.kind is Kind.SOFT_EDGES)
    node, picture = nodes[named(annotator)](), tensor(noise(32, 32))[None]
    node.annotate(image=picture, resolution=32)
    owned, loads = list(host.owned), host.loads
    assert owned
    node.annotate(image=picture, resolution=32)
    assert host.owned == owned
    assert host.loads == loads + 1
    host.stop_at = host.checks + 2  # the first check is between pictures, the second before the network
    with pytest.raises(Interrupted):
        node.annotate(image=picture, resolution=32)
    host.stop_at = -1


HOSTILE = {
    "rgba": lambda: torch.rand(1, 24, 30, 4),
    "half": lambda: torch.rand(1, 24, 30, 3).half(),
    "bfloat": lambda: torch.rand(1, 24, 30, 3).bfloat16(),
    "overshoot": lambda: torch.rand(1, 24, 30, 3) * 1.2 - 0.1,
    "strided": lambda: torch.rand(1, 3, 24, 30).permute(0, 2, 3, 1),
    "one pixel": lambda: torch.rand(1, 1, 1, 3),
    "grey": lambda: torch.rand(2, 24, 30, 1),
    "grad": lambda: torch.rand(1, 24, 30, 3, requires_grad=True),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_odd_pictures_are_taken(name: str, nodes: dict[str, Any]) -> None:
    torch.manual_seed(1)
    image = HOSTILE[name]()
    before = image.detach().clone()
    result = outputs(nodes[weightless(Kind.TILE)]().annotate(image=image, match_input=True))[0]
    assert result.shape == (*image.shape[:3], 3)
    assert result.dtype == torch.float32
    assert bool((result >= 0).all() and (result <= 1).all())
    assert torch.equal(image.detach(), before)


@pytest.mark.parametrize(
    "image", [torch.zeros(0, 8, 8, 3), torch.full((1, 8, 8, 3), float("nan")), torch.zeros(1, 3, 8, 9)]
)
def test_what_is_no_picture_is_refused_plainly(image: torch.Tensor, nodes: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="Next: ") as caught:
        nodes[weightless(Kind.TILE)]().annotate(image=image)
    assert type(caught.value).__name__ == "BadImage"


@pytest.mark.parametrize(
    "mask", [torch.zeros(1, 64, 64), torch.zeros(64, 64), torch.zeros(2, 24, 30).half(), torch.zeros(1, 24, 3)]
)
def test_a_mask_of_nothing_changes_nothing(mask: torch.Tensor, nodes: dict[str, Any]) -> None:
    image = tensor(np.stack([noise(24, 30, 1), noise(24, 30, 2)]))
    name = next(named(a) for a in registry if a.spec.takes_mask)
    result = outputs(nodes[name]().annotate(image=image, mask=mask, match_input=True))[0]
    assert torch.equal(result, image)


def test_left_out_inputs_have_the_defaults_of_their_widgets(nodes: dict[str, Any]) -> None:
    import inspect

    for name, node in nodes.items():
        signature = inspect.signature(getattr(node, node.FUNCTION)).parameters
        for label, (_, options) in node.INPUT_TYPES().get("optional", {}).items():
            if label in signature and "default" in options and label != "resolution":
                assert signature[label].default == options["default"], f"{name}.{label}"


def test_missing_weights_say_which_where_and_how(
    nodes: dict[str, Any], host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("UNDERDRAWING_CACHE", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("WEIGHTS", "HOSTS", "DOWNLOAD"):
        monkeypatch.delenv(f"UNDERDRAWING_{name}", raising=False)
    for name in ("AUX_ANNOTATOR_CKPTS_PATH", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    annotator = next(a for a in registry for w in a.spec.weights if w.repo)
    alias = next(a for a in annotator.spec.aliases if a.host == "comfyui")
    weight = next(w for w in annotator.spec.weights if w.repo)
    with pytest.raises(Exception, match="MB, licence") as caught:
        nodes[alias.name]().annotate(image=torch.rand(1, 32, 32, 3))
    for part in (weight.file, " weights fetch ", str(host.base / "models"), "Fetch weights"):
        assert part in str(caught.value)
    report = outputs(nodes["UnderdrawingFetchWeights"]().run(weights=weight.id, download=False))[0]
    assert "Not on this machine" in report
    assert weight.licence in report


def test_poses_are_drawn_edited_saved_and_read(nodes: dict[str, Any], host: Host) -> None:
    image = tensor(Image.open(PEOPLE).convert("RGB"))[None]
    name = next(named(a) for a in registry if a.spec.kind is Kind.POSE and a in runnable())
    drawn, poses = outputs(nodes[name]().annotate(image=image, resolution=256))
    assert poses[0]["people"]
    (again,) = nodes["UnderdrawingPosesDraw"]().run(poses=poses)
    assert torch.equal(again, drawn)
    report = nodes["UnderdrawingPosesSave"]().save(poses, "some/poses")["ui"]["text"][0]
    (read,) = nodes["UnderdrawingPosesLoad"]().load(f"{report} [output]")
    assert read == poses
    edit = nodes["UnderdrawingPosesEdit"]()
    (same,) = edit.run(poses=poses)
    assert same == poses
    (twice,) = edit.run(poses=edit.run(poses=poses, mirror=True)[0], mirror=True)
    assert np.allclose(twice[0]["people"][0]["pose_keypoints_2d"], poses[0]["people"][0]["pose_keypoints_2d"])
    answer = edit.run(poses=poses, people="9")
    (nobody,) = outputs(answer)
    assert "nobody with the number 9" in answer["ui"]["underdrawing"][0]["text"]
    assert nobody[0]["people"] == []
    (bare,) = edit.run(poses=poses, hands=False, face=False)
    assert bare[0]["people"][0]["face_keypoints_2d"] is None
    assert float(nodes["UnderdrawingPosesDraw"]().run(poses=nobody)[0].max()) == 0
    with pytest.raises(Exception, match="list of people"):
        edit.run(poses=poses, people="0; rm")


@pytest.mark.parametrize("name", ["../../etc/passwd", "missing.json", "/etc/hostname"])
def test_poses_are_only_read_from_the_hosts_folders(name: str, nodes: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="no such file of poses"):
        nodes["UnderdrawingPosesLoad"]().load(name)


def test_values_are_saved_with_16_bit(nodes: dict[str, Any], host: Host) -> None:
    values = torch.linspace(-2, 3, 64).reshape(1, 8, 8).repeat(2, 1, 1)
    shown = nodes["UnderdrawingSaveValues"]().save(values, "depth")["ui"]["images"]
    assert len({entry["filename"] for entry in shown}) == 2
    path = host.base / "output" / shown[0]["filename"]
    low, high = read_info(path)["range"]
    grey = np.asarray(Image.open(path)).astype(np.float64)
    assert np.allclose(low + (high - low) * grey / 65535, values[0].numpy(), atol=1e-4)


def test_sizes(nodes: dict[str, Any]) -> None:
    image = torch.zeros(1, 300, 500, 3)
    assert nodes["UnderdrawingPixelPerfect"]().measure(image, 768, 512, "crop") == (512,)
    assert nodes["PixelPerfectResolution"]().execute(image, 768, 512, "Resize and Fill") == (461,)
    assert nodes["HintImageEnchance"]().execute(image, 768, 512, "Just Resize")[0].shape == (1, 512, 768, 3)
    assert nodes["ImageGenResolutionFromImage"]().execute(image) == (500, 300)
    assert nodes["ImageGenResolutionFromLatent"]().execute({"samples": torch.zeros(1, 4, 8, 16)}) == (128, 64)


def test_any_annotator_by_its_name(nodes: dict[str, Any]) -> None:
    image = tensor(noise(40, 48))[None]
    for annotator in registry:
        if annotator.spec.weights or annotator.spec.takes_mask:
            continue
        (found,) = nodes["UnderdrawingAny"]().annotate(image, annotator.spec.id, resolution=64)
        assert torch.equal(found, outputs(nodes[named(annotator)]().annotate(image=image, resolution=64))[0])
    (same,) = nodes["AIO_Preprocessor"]().execute(image)
    assert same is image
    names = nodes["AIO_Preprocessor"].INPUT_TYPES()["optional"]["preprocessor"][0]
    assert names[0] == "none"
    assert set(names[1:]) <= set(nodes)
    light = next(name for name in names[1:] if not nodes[name].annotator.spec.weights)
    (found,) = nodes["AIO_Preprocessor"]().execute(image, light, 64)
    assert torch.equal(found, outputs(nodes[light]().annotate(image=image, resolution=64))[0])
    selector = nodes["ControlNetPreprocessorSelector"]
    assert selector.RETURN_TYPES[0] == names, "the two nodes fit together"
    assert selector.INPUT_TYPES()["required"]["preprocessor"][0] == names
    assert selector().get_preprocessor(light) == (light,)


def test_text_on_a_picture(nodes: dict[str, Any]) -> None:
    image = tensor(np.zeros((64, 200, 3), np.uint8))[None].repeat(2, 1, 1, 1)
    (written,) = nodes["ControlNetAuxSimpleAddText"]().execute(image, "canny 你好 \ud800")
    assert written.shape == (1, 64, 200, 3)
    green = written[0, ..., 1]
    assert 20 < int((green > 0.5).sum()) < 4000
    assert float(written[0, ..., 0].max()) == 0
    assert bool((green.nonzero()[:, 0] < 40).all())


def test_one_annotator_that_cannot_run_does_not_spoil_the_sheet(
    nodes: dict[str, Any], host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tools = importlib.import_module(nodes["UnderdrawingSheet"].__module__)
    package = tools.__name__.rpartition(".comfy_nodes")[0]
    sheets = importlib.import_module(f"{package}.preprocessors.batches.sheet")
    errors = importlib.import_module(f"{package}.core.errors")
    light = [a for a in tools.registry if not a.spec.weights and not a.spec.takes_mask]
    real = sheets.annotate_batch

    def moody(annotator: Any, *rest: Any, **options: Any) -> Any:
        if annotator is light[0]:
            raise errors.BadWeights("is damaged", where="x.pth", fix="fetch it again")
        return real(annotator, *rest, **options)

    def absent(annotator: Any, **_: Any) -> str:
        return "" if annotator in light[:3] else "weights missing"

    monkeypatch.setattr(sheets, "annotate_batch", moody)
    monkeypatch.setattr(sheets, "explain_unavailable", absent)
    with caplog.at_level("INFO"):
        (sheet,) = outputs(nodes["UnderdrawingSheet"]().draw(tensor(photo(64, 64))[None], resolution=64))
    assert float(sheet.std()) > 0.1
    lines = [record.getMessage() for record in caplog.records]
    assert f"sheet: {light[0].spec.id} left out: x.pth: is damaged. Next: fetch it again" in lines
    assert sum("left out: weights missing" in line for line in lines) == len(tools.registry) - 3
    count = len(tools.registry)
    assert any(line.startswith(f"sheet: {count - 2} of {count} annotators left out: ") for line in lines)


def test_a_name_that_means_another_network_says_so_in_the_log(
    nodes: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    node = nodes["CannyEdgePreprocessor"]
    monkeypatch.setattr(node, "alias", msgspec.structs.replace(node.alias, instead="Better Edges"))
    with caplog.at_level("WARNING"):
        node().annotate(tensor(photo(64, 64))[None], resolution=64)
    assert "CannyEdgePreprocessor means Better Edges elsewhere; here it is Canny edges (canny)" in caplog.text


def test_the_sheet_shows_every_map(nodes: dict[str, Any], host: Host) -> None:
    (sheet,) = outputs(nodes["UnderdrawingSheet"]().draw(tensor(photo(64, 64))[None], resolution=64))
    assert sheet.shape[0] == 1
    assert sheet.shape[3] == 3
    assert float(sheet.std()) > 0.1


@pytest.mark.parametrize("pinned", [True, False])
def test_missing_weights_are_told_with_what_helps_in_this_host(
    nodes: dict[str, Any], host: Host, monkeypatch: pytest.MonkeyPatch, pinned: bool
) -> None:
    node = nodes["UnderdrawingHed"]
    record = next(weight for weight in node.annotator.spec.weights if weight.repo)
    if not pinned:
        record = msgspec.structs.replace(record, sha256="", size=0)

    def this(*_: object) -> tuple[Any, ...]:
        return (record,)

    monkeypatch.setattr(node.annotator, "weights_for", this)
    monkeypatch.delenv("UNDERDRAWING_DOWNLOAD", raising=False)
    with pytest.raises(Exception, match=f"weights fetch {record.id}") as caught:
        node().annotate(tensor(photo(64, 64))[None], resolution=64)
    assert "run the node `Fetch what this workflow needs (Underdrawing)` or the node `Fetch weights" in str(
        caught.value
    )
    assert "`underdrawing " not in str(caught.value), "a clone has no such command"
    assert str(caught.value).count(record.id) == (2 if pinned else 3), "named once, and in commands"
    assert ("or put the file into" in str(caught.value)) == pinned
    assert ("not pinned by this project" in str(caught.value)) != pinned
    assert (f"--as {record.id}" in str(caught.value)) != pinned


def test_a_prompt_with_an_earlier_name_runs_as_it_did(nodes: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """ComfyUI drops inputs that a node does not declare, so the node reads its own entry of the prompt."""
    node, image = nodes["UnderdrawingRecolor"], tensor(photo(64))
    assert node.INPUT_TYPES()["hidden"] == {"prompt": "PROMPT", "unique_id": "UNIQUE_ID"}
    prompt = {"5": {"class_type": "UnderdrawingRecolor", "inputs": {"image": ["1", 0], "parity": True}}}
    with caplog.at_level("WARNING"):
        answer = node().annotate(image, resolution=0, prompt=prompt, unique_id="5")
    earlier = outputs(answer)[0]
    assert "reference_compat" in answer["ui"]["underdrawing"][0]["text"], "the browser shows it under the node"
    assert "parity is now called reference_compat" in caplog.text
    assert torch.equal(earlier, node().annotate(image, resolution=0, reference_compat=True)[0])
    assert not torch.equal(earlier, node().annotate(image, resolution=0)[0])


def test_a_stored_choice_of_an_earlier_name_is_accepted(nodes: dict[str, Any]) -> None:
    for name in ("UnderdrawingTeed", "TEEDPreprocessor"):
        check = nodes[name].VALIDATE_INPUTS
        assert check(model="7", safe_steps=2) is True
        assert check(model="default") is True
        assert "model" in check(model="8")
        assert "safe_steps" in check(safe_steps=11)
