"""Train a ControlNet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ...core.operation import Job, Operation, Report, Spec, target
from ..training.controls.params import ControlParams
from ..training.params import DataInputs

if TYPE_CHECKING:
    from ..models.model import Model
    from ..training.trainable import Trainable


class ControlInputs(DataInputs, frozen=True):
    """The training set, and where to."""

    output: Annotated[
        Path,
        target("weights", "File, or folder for diffusers; the run is kept beside it in OUT.run", suffix=""),
    ]


class TrainControlnet(Operation[ControlInputs, ControlParams]):
    """Train a ControlNet on pictures and their maps: a whole one, or a small Control-LoRA.

    Maps are made by an annotator, stand in a folder under the names of their pictures, or are named in metadata.jsonl.
    It begins as a copy of the model's first half that adds nothing; leaving captions out (--drop-captions) teaches it
    to read the map.
    """

    spec = Spec(id="train.controlnet", title="Train a ControlNet", hosts=("cli",))

    def run(self, inputs: ControlInputs, params: ControlParams, job: Job) -> Report:
        """Train and save. Raises BadParameter, BadWeights, UnknownName, MissingExtra, WriteFailed, Cancelled."""
        from ..training.controls.checks import check_maps, check_params
        from ..training.controls.control import ControlTraining
        from ..training.controls.files import check_path
        from ..training.controls.maps import MapReader
        from ..training.export.description import make_description
        from ..training.session import Session

        check_path(inputs.output, low_rank=params.form == "lora")
        check_params(params)
        session = Session("controlnet", inputs.data, inputs.output, params, job)
        folder = session.folder.path / "cache" / "maps"
        maps = MapReader(params, inputs.data, folder, device=params.device, note=session.note)
        check_maps(maps, inputs.data)

        def build(model: Model) -> Trainable:
            return ControlTraining(model, params, maps)

        describe = make_description(inputs.output.stem, params, "control-net")
        return session.train(build, describe, admit=maps.admit)
