from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, get_args

import pytest

from underdrawing.core.errors import BadParameter
from underdrawing.core.progress import Progress
from underdrawing.pipeline.operations.reference_train import Step
from underdrawing.pipeline.reference.training.parts import STEPS, Settings, build_part, check_needs, find_file, run_step

if TYPE_CHECKING:
    from pathlib import Path


def test_every_step_is_offered() -> None:
    assert get_args(Step) == ("all", *STEPS)


def test_a_step_before_its_turn_names_the_one_that_is_missing(tmp_path: Path) -> None:
    needs = {"judge": "scenes", "vae": "scenes", "latents": "vae", "base": "latents text", "control_pose": "base"}
    for step, names in needs.items():
        folder = tmp_path / step
        folder.mkdir()
        for need in names.split():
            with pytest.raises(BadParameter, match=f"{step} builds on {need}, .* train {need} first"):
                check_needs(folder, step)
            path = find_file(folder, need)
            path.parent.mkdir(exist_ok=True)
            path.touch()
        check_needs(folder, step)


def test_scenes_are_rendered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from underdrawing.pipeline.reference.training import parts

    monkeypatch.setattr(parts, "JUDGED", 1)
    settings = Settings(folder=tmp_path, minutes=1, scenes=2)
    assert run_step("scenes", settings, Progress()) is None
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "scenes").iterdir()}
    assert {path.name for path in files} == {"scenes_000000.npz", "scenes_900000.npz"}
    run_step("scenes", settings, Progress())
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "scenes").iterdir()} == files


@pytest.mark.skipif(find_spec("diffusers") is None, reason="the extra pipeline is not installed")
@pytest.mark.parametrize("unet", [True, False])
def test_a_start_with_a_unet_keeps_its_latents(unet: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from underdrawing.pipeline.reference import networks
    from underdrawing.pipeline.reference.training import parts

    monkeypatch.setattr(parts, "JUDGED", 1)
    run_step("scenes", Settings(folder=tmp_path, minutes=1, scenes=1), Progress())
    networks.build_vae().save_pretrained(tmp_path / "start" / "vae")
    if unet:
        (tmp_path / "start" / "unet").mkdir()
    module: Any = build_part("vae", Settings(folder=tmp_path, minutes=1, start=tmp_path / "start")).module
    assert module.encoder.conv_in.weight.requires_grad is not unet
    assert module.decoder.conv_in.weight.requires_grad
