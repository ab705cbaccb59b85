"""Every annotator among the preprocessors of A1111 and Forge, in stub hosts; the real ones run in test_a1111_live."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
from PIL import Image
from tests.support.fake_webui import HOST_TAGS, FakeWebui, HTTPException, Kind
from tests.support.pictures import flat, photo

from underdrawing import annotate
from underdrawing.a1111_extension import preprocessors
from underdrawing.core.annotator import Kind as MapKind
from underdrawing.core.diagnostics.availability import explain_unavailable
from underdrawing.core.hosts.sliders import choose_sliders
from underdrawing.preprocessors import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "a1111_extension" / "scripts" / "underdrawing.py"
READY = [a.spec.id for a in registry if not explain_unavailable(a)]
PEOPLE = (MapKind.POSE, MapKind.FACE)
CHEAP = [i for i in READY if registry.resolve(i).annotator.spec.kind not in PEOPLE]
"""Annotators of people run by what they hand over besides the map."""
KINDS = get_args(Kind)


@pytest.fixture(scope="module", params=KINDS)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeWebui]:
    """A host that has loaded the extension."""
    made = FakeWebui(tmp_path_factory.mktemp(request.param), request.param)
    made.enter()
    made.reload(SCRIPT)
    yield made
    made.leave()


def call(host: FakeWebui, name: str, picture: Any, **more: Any) -> Any:
    return host.preprocessors[f"underdrawing_{name}"](picture, **{"resolution": 64, **more})


def test_every_annotator_and_every_known_name_is_there(host: FakeWebui) -> None:
    known = {x.name for a in registry for x in a.spec.aliases if x.host == "a1111"}
    wanted = {f"underdrawing_{name}" for name in {a.spec.id for a in registry} | known}
    assert set(host.preprocessors) == wanted | set(HOST_TAGS)


def test_no_default_and_no_control_type_of_the_host_changes(host: FakeWebui) -> None:
    def first(tag: str) -> str:
        names = [name for name, one in host.preprocessors.items() if tag in one.tags]
        return max(names, key=lambda name: str(host.preprocessors[name].sorting_priority).zfill(8) + name)

    assert {tags[0]: first(tags[0]) for tags in HOST_TAGS.values()} == {t[0]: name for name, t in HOST_TAGS.items()}
    offered = {tag for tags in HOST_TAGS.values() for tag in tags}
    assert {tag for one in host.preprocessors.values() for tag in one.tags} <= offered


def test_every_kind_of_map_but_masks_without_a_user_has_a_control_type(host: FakeWebui) -> None:
    assert [name for name, one in host.preprocessors.items() if not one.tags] == []


def test_sliders_are_those_of_the_declarations(host: FakeWebui) -> None:
    for name, match in registry.names_of("a1111").items():
        found = host.preprocessors[f"{preprocessors.PREFIX}{name}"]
        chosen = choose_sliders(match.fields(), 3)
        for number in (1, 2, 3):
            slider = getattr(found, f"slider_{number}")
            assert slider.visible == (number <= len(chosen))
            if slider.visible:
                one = chosen[number - 1]
                assert (slider.label, slider.value) == (one.label, one.default)
                assert slider.minimum <= slider.value <= slider.maximum


@pytest.mark.parametrize("name", CHEAP)
def test_a_map_is_the_librarys(host: FakeWebui, name: str) -> None:
    if host.kind == "forge" and registry.resolve(name).annotator.spec.weights:
        return  # networks run in one of them
    picture = photo(48, 64)
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 20:50] = 255
    takes_mask = registry.resolve(name).annotator.spec.takes_mask
    more = {"input_mask": np.repeat(mask[..., None], 3, 2)} if takes_mask and host.kind == "forge" else {}
    given = np.dstack([picture, mask]) if takes_mask and not more else picture
    found = call(host, name, given, **more)
    wanted = annotate(name, picture, 64, masks=mask > 0 if takes_mask else None).images[0]
    if takes_mask and host.kind == "a1111":
        assert np.array_equal(found.value, given)
        found = found.display_images[0]
    assert np.array_equal(found, wanted)


HOLE = Image.fromarray(photo(48, 64))
HOLE.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 64, dtype=np.uint8), (48, 1))))
RAW = {
    "colour": Image.fromarray(photo(48, 64)),
    "grey": Image.fromarray(photo(48, 64)).convert("L"),
    "two colours": Image.fromarray(photo(48, 64)).convert("1"),
    "alpha": HOLE,
    "grey with alpha": HOLE.convert("LA"),
}


@pytest.mark.parametrize("kind", RAW)
@pytest.mark.parametrize("name", ["canny", "threshold"])
def test_raw_arrays_of_every_mode(host: FakeWebui, kind: str, name: str) -> None:
    found = call(host, name, np.array(RAW[kind]).astype("uint8"))
    assert np.array_equal(found, annotate(name, RAW[kind], 64).images[0])


@pytest.mark.parametrize("mode", ["P", "I;16", "L", "RGBA"])
def test_what_detect_gets_was_read_by_us(host: FakeWebui, mode: str) -> None:
    import base64
    import io

    grey = Image.fromarray(np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 20)
    picture = grey if mode == "I;16" else HOLE if mode == "RGBA" else RAW["colour"].convert(mode)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    encoded = base64.b64encode(stream.getvalue()).decode()
    body = {"controlnet_module": "underdrawing_canny", "controlnet_input_images": [encoded], "more": 1}
    work = preprocessors.prepare_detect(body)
    assert work is not None
    (flattened,) = work()["controlnet_input_images"]
    read = np.array(Image.open(io.BytesIO(base64.b64decode(flattened))))
    assert np.array_equal(call(host, "canny", read), annotate("canny", picture, 64).images[0])
    assert preprocessors.prepare_detect({**body, "controlnet_module": "canny"}) is None
    inpaint = preprocessors.prepare_detect({**body, "controlnet_module": "underdrawing_inpaint"})
    assert inpaint is not None
    assert inpaint() == {**body, "controlnet_module": "underdrawing_inpaint"}
    with pytest.raises(HTTPException, match="base64"):
        preprocessors.prepare_detect({**body, "controlnet_input_images": ["http://x"]})()  # type: ignore[misc]


def test_an_arrays_subclass_whose_equality_is_one_answer(host: FakeWebui) -> None:
    class Hashable(np.ndarray[Any, Any]):
        def __eq__(self, other: object) -> bool:  # type: ignore[override]
            return np.array_equal(self, other)  # type: ignore[arg-type]

    picture = photo(48, 64)
    assert np.array_equal(call(host, "canny", picture.view(Hashable)), call(host, "canny", picture))


@pytest.mark.parametrize("numbers", [(None, None), (-1, -1), (-1, 999), (float("nan"), 300), (True, "5")])
def test_numbers_out_of_range_are_the_default(host: FakeWebui, numbers: tuple[Any, Any]) -> None:
    found = call(host, "canny", photo(), slider_1=numbers[0], slider_2=numbers[1], slider_3=0.5)
    assert np.array_equal(found, annotate("canny", photo(), 64).images[0])


def test_numbers_in_range_count_and_what_forge_sends_by_itself_does_not(host: FakeWebui) -> None:
    found = call(host, "canny", photo(), slider_1=64, slider_2=64)
    low, high = (64, 64) if host.kind == "a1111" else (100, 200)
    assert np.array_equal(found, annotate("canny", photo(), 64, low_threshold=low, high_threshold=high).images[0])
    found = call(host, "canny", photo(), slider_1=10.4, slider_2=64)
    assert np.array_equal(found, annotate("canny", photo(), 64, low_threshold=10, high_threshold=64).images[0])


def test_a_default_that_forge_would_cut_to_a_whole_number_stays(host: FakeWebui) -> None:
    if host.kind != "forge":
        return
    found = host.preprocessors["underdrawing_person_mask"].slider_1
    assert found.value == 0.5
    assert int(found.gradio_update_kwargs.get("value", 1.0)) == -1
    assert dict(**found.gradio_update_kwargs.copy())["value"] == 0.5


@pytest.mark.parametrize("resolution", [None, 0, -1])
def test_no_resolution_is_512(host: FakeWebui, resolution: Any) -> None:
    assert min(call(host, "invert", flat(30, 40, 9), resolution=resolution).shape[:2]) == 512


def test_a_known_name_brings_its_presets(host: FakeWebui) -> None:
    found = call(host, "recolor_intensity", photo(48, 64))
    assert np.array_equal(found, annotate("recolor_intensity", photo(48, 64), 64).images[0])
    assert not np.array_equal(found, call(host, "recolor_luminance", photo(48, 64)))


def test_poses_are_handed_over_also_when_nobody_is_found(host: FakeWebui) -> None:
    name = next(i for i in READY if registry.resolve(i).annotator.spec.kind is MapKind.POSE)
    got: list[dict[str, Any]] = []
    call(host, name, flat(64, 64, 90), json_pose_callback=got.append)
    assert got == [{"people": [], "canvas_width": 64, "canvas_height": 64}]


def _choose_gpu(_: object) -> str:
    return "cuda:0"


def test_a_gpus_memory_is_given_back_when_the_host_asks_after_use(
    host: FakeWebui, monkeypatch: pytest.MonkeyPatch
) -> None:
    from underdrawing.a1111_extension.hosts import get_host
    from underdrawing.core.networks import cache

    calls: list[str] = []
    monkeypatch.setattr(cache, "unload", lambda: calls.append("unload"))
    used = host.preprocessors["underdrawing_canny"]
    call(host, "canny", photo(48, 64))
    assert used.unload() is False
    monkeypatch.setattr(type(get_host()), "device", _choose_gpu)
    assert [used.unload(), used.unload()] == [True, False]
    assert calls == ["unload"]


def test_a_mask_that_is_missing_is_a_refusal_in_words(host: FakeWebui) -> None:
    with pytest.raises(HTTPException) as caught:
        call(host, "inpaint", photo(48, 64))
    assert caught.value.status_code == 422
    assert str(caught.value) == caught.value.detail
    assert "needs a mask" in str(caught.value)


class Job:
    """A picture that the host makes."""

    def __init__(self) -> None:
        self.extra_generation_params: dict[str, str] = {}
        self.comments: list[str] = []
        self.comment = self.comments.append

    def sample(self, host: FakeWebui) -> None:
        host.run("on_cfg_denoiser", SimpleNamespace(denoiser=SimpleNamespace(p=self)))


def test_a_picture_made_without_its_map_says_so_once_and_the_next_one_does_not(
    host: FakeWebui, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [one for one in host.callbacks["on_cfg_denoiser"] if one.__module__ == preprocessors.__name__]
    monkeypatch.setitem(host.callbacks, "on_cfg_denoiser", kept)
    first, second, third = Job(), Job(), Job()
    host.state.begin("txt2img")
    for _ in range(2):
        with pytest.raises(HTTPException):
            call(host, "inpaint", photo(48, 64))
    first.sample(host)
    first.sample(host)
    host.state.end()
    with pytest.raises(HTTPException):  # the button that shows a map, between two pictures
        call(host, "inpaint", photo(48, 64))
    host.state.begin("txt2img")
    second.sample(host)
    with pytest.raises(HTTPException):  # interrupted before it is sampled
        call(host, "inpaint", photo(48, 64))
    host.state.end()
    host.state.begin("txt2img")
    third.sample(host)
    host.state.end()
    (text,) = first.comments
    assert "underdrawing_inpaint made no map" in text
    assert "needs a mask" in text
    lost = "underdrawing_inpaint made no map, so the picture was made without ControlNet"
    assert first.extra_generation_params == {"Underdrawing refused": lost}
    assert [(one.comments, one.extra_generation_params) for one in (second, third)] == [([], {})] * 2


def test_missing_weights_name_a_command_and_a_place_that_work_here(host: FakeWebui) -> None:
    name = next(a.spec.id for a in registry if a.spec.weights and a.spec.id not in READY)
    with pytest.raises(HTTPException) as caught:
        call(host, name, photo(48, 64))
    text = str(caught.value)
    assert "weights fetch" in text
    assert str(ROOT) in text
    assert "Weights in the tab Underdrawing" in text
    assert str(host.base / "models" / "underdrawing") in text


@pytest.mark.parametrize("name", ["inpaint", "inpaint_only"])
def test_an_empty_mask_is_handed_over_like_any_other(host: FakeWebui, name: str) -> None:
    if host.kind != "a1111":
        return
    given = np.dstack([photo(48, 64), np.zeros((48, 64), np.uint8)])  # of a picture in img2img without a mask
    assert np.array_equal(call(host, name, given).value, given)


def test_masked_pixels_become_minus_one_in_forge(host: FakeWebui) -> None:
    if host.kind != "forge":
        return
    import torch

    mask = np.zeros((64, 64, 3), np.uint8)
    mask[:32] = 255
    picture = call(host, "inpaint", flat(64, 64, 102), input_mask=mask)
    cond = torch.from_numpy(picture / np.float32(255)).movedim(-1, 0)[None]
    area = torch.from_numpy(mask[None, :, :, :1] / np.float32(255)).movedim(-1, 1)
    found = host.preprocessors["underdrawing_inpaint"]
    made, left = found.process_before_every_sampling(None, cond, area)
    assert left is None
    assert made[0, :, :32].unique().tolist() == [-1.0]
    assert made[0, :, 32:].unique().tolist() == [pytest.approx(0.4)]
    call(host, "inpaint", flat(64, 64, 102), input_mask=mask, slider_1=1.0)
    assert found.process_before_every_sampling(None, cond, area) == (cond, area)
