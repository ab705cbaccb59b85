from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.support.pictures import photo
from tests.support.web_host import PICTURE, Client, WebHost, decode

from underdrawing import annotate
from underdrawing.core.images.writing import encode_png

if TYPE_CHECKING:
    from pathlib import Path

    from underdrawing.core.registry import AnnotatorType


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(WebHost(tmp_path))


def test_a_map_is_that_of_the_library(client: Client) -> None:
    body = {"image": PICTURE, "annotator": "canny", "params": {"low_threshold": 50}, "resolution": 64}
    (result,) = client.run("/annotate", body)["results"]
    expected = annotate("canny", photo(64, 96), resolution=64, low_threshold=50).images[0]
    assert np.array_equal(decode(result["image"]), expected)
    assert (result["width"], result["height"], result["title"]) == (96, 64, "Canny edges")


def test_another_name_brings_its_values(client: Client) -> None:
    names = ["scribble_xdog", "invert"]
    found = client.run("/annotate", {"image": PICTURE, "annotator": names, "resolution": 64})
    assert [one["annotator"] for one in found["results"]] == names
    assert found["progress"]["done"] == 1


def test_of_several_each_has_its_own_parameters(client: Client) -> None:
    body = {"image": PICTURE, "annotator": ["canny", "invert"], "params": {"canny": {"low_threshold": 255}}}
    assert [one["annotator"] for one in client.run("/annotate", body)["results"]] == ["canny", "invert"]
    for params in ({"low_threshold": 255}, {"blur": {}}, {"canny": 3}):
        assert client.ask("POST", "/annotate", {**body, "params": params}).status == 422


def test_every_map_of_a_picture_says_what_is_left_out(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def explain(annotator: AnnotatorType, *, has_mask: bool) -> str:
        return "" if annotator.spec.id in ("canny", "invert", "threshold") else "it needs something"

    monkeypatch.setattr("underdrawing.serving.annotate.explain_unavailable", explain)
    job = client.ask("POST", "/annotate", {"image": PICTURE, "annotator": "all", "resolution": 64})
    record = client.service.jobs.find(job.content["id"])
    assert record.wait(60)
    results = record.to_json(0)["results"]
    assert record.state == "done"
    assert any(one.get("skipped") and one["weights"] for one in results)
    assert [one["id"] for one in results if "image" in one] == ["canny", "invert", "threshold"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"annotator": "cany"}, "did you mean canny"),
        ({"annotator": []}, "no annotator"),
        ({"annotator": 3}, "annotator"),
        ({"params": {"low": 1}}, "unknown parameter low"),
        ({"params": {"low_threshold": 900}}, "255"),
        ({"resolution": "x"}, "resolution"),
        ({"resolution": 10**9}, "image"),
        ({"image": "/etc/passwd"}, "base64"),
        ({"mask": "http://x"}, "mask"),
        ({"save": "../x"}, "leaves its folder"),
        ({"file": "/etc/passwd"}, "file"),
    ],
)
def test_faults_are_refused_before_any_work(client: Client, change: dict[str, object], words: str) -> None:
    answer = client.ask("POST", "/annotate", {"image": PICTURE, "annotator": "canny", **change})
    assert answer.status in (404, 422)
    assert words in answer.content["detail"]
    assert client.get("/jobs")["jobs"] == []


def test_masks_are_given_or_the_transparency(client: Client) -> None:
    mask = np.zeros((64, 96, 3), np.uint8)
    mask[16:32] = 255
    given = base64.b64encode(encode_png(mask, {})).decode()
    (with_mask,) = client.run("/annotate", {"image": PICTURE, "annotator": "inpaint", "mask": given})["results"]
    from io import BytesIO

    from PIL import Image

    target = BytesIO()
    Image.fromarray(np.dstack([photo(64, 96), 255 - mask[..., 0]])).save(target, "PNG")
    clear = base64.b64encode(target.getvalue()).decode()
    (by_alpha,) = client.run("/annotate", {"image": clear, "annotator": "inpaint"})["results"]
    assert (decode(with_mask["image"])[:16] == decode(by_alpha["image"])[:16]).all()
    assert with_mask["width"] == by_alpha["width"]
    without = client.run("/annotate", {"image": PICTURE, "annotator": "inpaint"})
    assert without["state"] == "failed"
    assert "mask" in without["failure"]["error"]
    kept = client.run("/annotate", {"image": PICTURE, "annotator": "canny", "mask": given})
    assert any("takes no mask" in note for note in kept["notes"])


def test_maps_are_saved_under_free_names(client: Client, tmp_path: Path) -> None:
    body = {"image": PICTURE, "annotator": "canny", "save": "shots/one", "resolution": 64}
    saved = [client.run("/annotate", body)["results"][0]["saved"] for _ in range(2)]
    assert saved == ["shots/one.canny.png", "shots/one.canny-1.png"]
    assert all((tmp_path / "pictures" / name).is_file() for name in saved)


def test_missing_weights_are_named(client: Client) -> None:
    found = client.run("/annotate", {"image": PICTURE, "annotator": "depth_midas", "resolution": 64})
    assert found["state"] == "failed"
    assert found["failure"]["type"] == "WeightsMissing"
    assert found["failure"]["weights"]
