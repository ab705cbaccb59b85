"""A batch with video options is a clip: the same maps as of a folder of frames on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.support.clips import UnsteadyDepth, pan
from tests.support.pictures import photo

from underdrawing.comfy_nodes import annotators, host
from underdrawing.comfy_nodes.tools import VideoOptions
from underdrawing.core.batch.annotate_options import AnnotateOptions
from underdrawing.core.batch.chunks import annotate_batch
from underdrawing.core.errors import BadParameter
from underdrawing.core.hooks import HostHooks
from underdrawing.core.params import describe_fields
from underdrawing.core.video.options import TemporalOptions
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.batches.annotate_files import FilesRequest, annotate_files

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = np.stack(pan(photo(), [(2.0 * i, i) for i in range(4)], 96, 128))


def tensor(pixels: Any) -> torch.Tensor:
    return torch.from_numpy(np.asarray(pixels).astype(np.float32) / 255.0)


def test_the_node_has_the_options_of_the_command_line() -> None:
    names = list(VideoOptions.INPUT_TYPES()["required"])
    assert names == [field.name for field in describe_fields(TemporalOptions)]
    assert set(names) <= {field.name for field in describe_fields(AnnotateOptions)}
    assert VideoOptions().choose(temporal_median=2) == (TemporalOptions(temporal_median=2),)
    with pytest.raises(BadParameter):
        VideoOptions().choose(temporal_median=99)


def test_a_median_has_the_bytes_of_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "HOOKS", HostHooks())
    (tmp_path / "shots").mkdir()
    for number, pixels in enumerate(FRAMES):
        Image.fromarray(pixels).save(tmp_path / "shots" / f"{number}.png")
    options = AnnotateOptions(video=True, temporal_median=1, resolution=96)
    request = FilesRequest(["canny"], (str(tmp_path / "shots"),), tmp_path / "out", options, lambda _: {})
    annotate_files(request, HostHooks())
    (video,) = VideoOptions().choose(temporal_median=1)
    node = annotators.nodes()["UnderdrawingCanny"]()
    (made,) = node.annotate(tensor(FRAMES), resolution=96, video=video)
    (plain,) = node.annotate(tensor(FRAMES), resolution=96)
    for number, image in enumerate(np.rint(made.numpy() * 255).astype(np.uint8)):
        assert np.array_equal(image, np.asarray(Image.open(tmp_path / "out" / "shots.canny" / f"{number}.png")))
    assert not torch.equal(made, plain)


def test_people_get_numbers() -> None:
    found = registry.resolve("pose_mediapipe").annotator
    values: dict[str, Any] = {"hands": False, "face": False, "search_levels": 1}
    frames, hooks = np.stack([photo()] * 2), HostHooks()
    maps = annotate_batch(found, frames, values, hooks, resolution=128, over_time=TemporalOptions())
    poses = annotators.outputs_of(found.spec, maps)["result"][1]
    assert [[one["person_id"] for one in pose["people"]] for pose in poses] == [[[0]], [[0]]]
    alone = annotate_batch(found, frames[:1], values, hooks, resolution=128)
    assert [one.person_id for pose in alone.poses or () for one in pose.people] == [None]


def test_nodes_whose_maps_nothing_changes_have_no_such_input() -> None:
    have = {
        a.spec.id
        for a in registry
        if "video" in annotators.nodes()[annotators.camel(a.spec.id)].INPUT_TYPES()["optional"]
    }
    assert {"canny", "hed", "depth_dav2", "pose_dwpose", "mlsd"} <= have
    assert not {"seg_upernet", "tile", "inpaint", "face_mediapipe", "normal_bae"} & have


def test_depth_of_a_batch_has_one_range() -> None:
    maps = annotate_batch(UnsteadyDepth, FRAMES, {}, HostHooks(), resolution=0, over_time=TemporalOptions())
    assert maps.values is not None
    low, high = maps.values.min(), maps.values.max()
    assert np.abs(maps.images[..., 0] - (maps.values - low) / (high - low) * 255).max() <= 1
