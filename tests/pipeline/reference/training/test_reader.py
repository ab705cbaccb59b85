from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.support.tiny_diffusion import require_diffusers

from underdrawing.core.networks.placement import Placement
from underdrawing.core.progress import Progress
from underdrawing.core.tensor_files.safetensors_io import write_safetensors
from underdrawing.pipeline.models.reference_files import FOLDER
from underdrawing.pipeline.reference.training.controls import ControlPart, find_reader
from underdrawing.pipeline.reference.training.loop import Run
from underdrawing.pipeline.reference.training.reader import ReaderPart
from underdrawing.pipeline.reference.training.workers import Workers

require_diffusers()

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with latents that are one number for each map: how bright it is where nothing is erased."""
    run = tmp_path_factory.mktemp("run")
    generator = torch.Generator().manual_seed(1)
    maps = torch.zeros(COUNT, 128, 128, 4, dtype=torch.uint8)
    maps[..., :3] = torch.randint(0, 256, (COUNT, 1, 1, 3), generator=generator)
    maps[:, 32:64, 32:64, :3], maps[:, 32:64, 32:64, 3] = 0, 255
    z = (maps[:, :1, :1, :1].float() / 128 - 1).permute(0, 3, 1, 2).expand(COUNT, 4, 16, 16).contiguous()
    tokens = torch.zeros(COUNT, 1, 77, dtype=torch.int16)
    (run / "latents").mkdir()
    (run / "maps").mkdir()
    write_safetensors(run / "latents" / "latents_0.safetensors", {"z": z, "tokens": tokens})
    write_safetensors(run / "latents" / "held_out.safetensors", {"z": z, "tokens": tokens[:, 0].contiguous()})
    write_safetensors(run / "maps" / "inpaint.safetensors", {"maps": maps, "held_out": maps})
    return run


def test_what_is_erased_is_not_asked_for(folder: Path) -> None:
    part: Any = ReaderPart(Placement(), "inpaint", folder, start=FOLDER, batch=COUNT)
    before = part.validate()
    part._held[:, :, 4:8, 4:8] += 100
    assert part.validate() == before


def test_a_reader_learns_latents_and_the_control_begins_with_it(folder: Path) -> None:
    part = ReaderPart(Placement(), "inpaint", folder, start=FOLDER, batch=COUNT)
    path = folder / "reader_inpaint.safetensors"
    run = Run(part, path, Workers(0, 1, folder / "meeting"))
    before = part.validate()["validation"]
    for _ in range(12):
        run.step(0.3)
    assert part.validate()["validation"] < 0.8 * before
    run.save(Progress())
    run.average.swap(part.module)
    control = ControlPart(Placement(), "inpaint", folder, start=FOLDER, batch=COUNT)
    taught = find_reader(control.module).state_dict()
    expected: Any = part.module["reader"].state_dict()  # type: ignore[index]
    assert all(taught[name].equal(value) for name, value in expected.items())
    assert {id(value) for value in find_reader(control.module).parameters()} <= {id(value) for value in control.slow}
    path.unlink()
    untaught = ControlPart(Placement(), "inpaint", folder, start=FOLDER, batch=COUNT)
    assert not any(value is slow for value in find_reader(untaught.module).parameters() for slow in untaught.slow)
