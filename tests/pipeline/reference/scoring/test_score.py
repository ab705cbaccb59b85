from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from tests.support.reference_runs import write_base, write_state

from underdrawing.core.progress import Progress
from underdrawing.pipeline.reference.scoring.judge import Judge
from underdrawing.pipeline.reference.scoring.score import Scorer, Settings
from underdrawing.pipeline.reference.training import controls
from underdrawing.pipeline.reference.training.export import export_run
from underdrawing.pipeline.reference.training.low_rank import LowRankControl

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    find_spec("diffusers") is None or find_spec("transformers") is None, reason="the extra pipeline is not installed"
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    unet = write_base(folder)
    write_state(folder / "judge.safetensors", Judge())
    for kind in controls.KINDS:
        control = controls.build_control(unet)
        whole = kind in controls.WHOLE
        write_state(
            folder / f"control_{kind}.safetensors", control if whole else LowRankControl(control, controls.RANK)
        )
    export_run(folder, folder / "weights")
    return folder / "weights"


def test_every_control_is_scored(weights: Path) -> None:
    settings = Settings(weights=weights, kinds=controls.KINDS, pairs=[("canny", "pose")], scenes=1, steps=1, batch=2)
    scores = Scorer(settings, Progress()).run()
    assert set(scores["kinds"]) == set(controls.KINDS)
    for kind in ("canny", "softedge", "scribble", "lines"):
        assert scores["kinds"][kind]["ceiling"] == pytest.approx(1), kind
    assert scores["kinds"]["inpaint"]["ceiling"] == 0
    assert set(scores["together"]["canny + pose"]) == {"canny", "pose"}
    assert set(scores["prompt"]) == {"kind", "colour", "shiny", "pose", "ground", "time", "hills"}


def test_the_same_noise_each_time(weights: Path) -> None:
    settings = Settings(weights=weights, kinds=(), scenes=2, steps=1, batch=1)
    scorer = Scorer(settings, Progress())
    first = scorer.draw()
    again = scorer.draw()
    assert (first == again).all()
    assert first.shape == (2, 128, 128, 3)
