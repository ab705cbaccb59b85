"""A run from its parameters to its files: checks, data, model, loop, receipt."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import msgspec

from ...core.batch.folder_lock import hold_folder
from ...core.errors import BadParameter, WriteFailed
from ...core.files import atomic_write, find_existing_folder, report_write_errors
from ...core.networks.placement import resolve_placement
from ...core.operation import Report
from ..models.loading import load_model
from ..models.reference_files import NAME
from ..runs.threads import limit_threads
from .base import check_model, count_numbers, hash_model, list_folders, save_activations
from .data.texts import CaptionEncoder
from .loop.folder import PREVIEWS, PROCESS, RunFolder
from .loop.loop import Loop, Plan
from .loop.objective import Objective
from .loop.passes import Passes
from .params import SILENT
from .previews import Previewer
from .receipt import Receipt, hash_tensors, list_tensors, measure_files
from .rules import check_options, count_steps, list_given
from .sets import TrainingSet, load_sets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ...core.operation import Job
    from ..models.model import Model
    from .params import TrainParams
    from .rules import Rule
    from .sets import Admit
    from .trainable import Trainable

    Build = Callable[["Model"], Trainable]
    Describe = Callable[["Model", TrainingSet, int], dict[str, str]]

VERSION = 1
"""Of the arithmetic of a run: a state of another version does not go on."""


class Session:
    """One run. kind: of the operation. data: the training set. output: file or folder of the result."""

    def __init__(self, kind: str, data: Path, output: Path, params: TrainParams, job: Job) -> None:
        self.kind, self.data, self.output, self.params, self.job = kind, data, output, params, job
        self.folder = RunFolder(find_run_folder(output))
        self.notes: list[str] = []

    def train(self, build: Build, describe: Describe, rules: Sequence[Rule] = (), admit: Admit | None = None) -> Report:
        """Train and save. build: what is trained, on the model. describe: metadata of the result, from the model, the
        training set and the number of steps. rules: on parameters that only this kind has. admit: why a picture at
        its size is left out.

        Raises BadParameter for options without effect, another run's folder, and a training set of which nothing is
        left; what loading the model raises; BadWeights for a loss that is not finite; WriteFailed, also where another
        process is at this run; Cancelled.
        """
        check_options(self.params, self.job.given, rules, where=f"train {self.kind}")
        self.check_output()
        with report_write_errors(self.folder.path):
            self.folder.path.mkdir(parents=True, exist_ok=True)
        with hold_folder(self.folder.path, PROCESS):
            model = self._load_model()
            sets = load_sets(self.data, self.folder, self.params, model, self.job, self.note, admit)
            self.folder.begin(self._list_settings(model, sets), restart=self.params.restart)
            full = count_numbers(model)
            trainable = build(model)
            try:
                return self._train(model, trainable, sets, full, describe)
            finally:
                trainable.remove()

    def check_output(self, *others: Path) -> None:
        """Raise WriteFailed where the result, or other files of it, could not be written after all the steps."""
        if not self.folder.path.exists():
            self.job.check_free(self.output)
        for path in (self.output, *others):
            is_file = path.suffix.lower() == ".safetensors"
            if path.exists() and path.is_file() != is_file:
                what = f"is a {'folder' if is_file else 'file'}, and the result a {'file' if is_file else 'folder'}"
                raise WriteFailed(what, where=str(path), fix="choose another name")
            if not os.access(folder := find_existing_folder(path.parent), os.W_OK | os.X_OK):
                raise WriteFailed("cannot be written to", where=str(folder), fix="choose another folder")

    def note(self, text: str) -> None:
        """Report something to the host, once."""
        if text not in self.notes:
            self.notes.append(text)
            self.job.host.note(text)

    def _train(
        self, model: Model, trainable: Trainable, sets: TrainingSet, full: dict[str, int], describe: Describe
    ) -> Report:
        params = self.params
        trainable.check_captions(sets.captions)
        for text in trainable.notes:
            self.note(text)
        if not any(group.tensors and group.rate for group in trainable.groups()):
            what = "nothing is trained: there is no tensor with a learning rate above 0"
            raise BadParameter(what, where=f"train {self.kind}", fix="choose other targets, or a higher rate")
        before = hash_tensors(trainable)
        encoder = CaptionEncoder(model, trainable, clip_skip=params.clip_skip, windows=params.windows)
        if cut := encoder.count_cut(trainable.write_caption(caption, 0) for caption in sets.captions):
            self.note(f"{cut} captions are longer than {params.windows} x 75 tokens: the rest is cut off")
        objective = Objective(model.alphas, velocity=model.prediction == "v_prediction", min_snr=params.min_snr)
        passes = Passes(model, trainable, objective, encoder, sets.pictures, sets.prior, params.prior_weight)
        steps = count_steps(params, sets.pictures.order.passes)
        previewer = Previewer(self.folder.path / PREVIEWS, params, sets.captions, model.placement, trainable)
        loop = Loop(
            trainable,
            passes.compute_loss,
            self._plan(steps),
            self.folder,
            self.note,
            previewer.draw,
            previewer.complete,
        )
        if loop.step:
            self.note(f"the run goes on from step {loop.step}" if loop.step < steps else "the run is complete already")
        with (
            save_activations(model, trainable, active=params.gradient_checkpointing),
            limit_threads(model),
            self.job.progress(f"train {self.kind}", steps, "steps") as progress,
        ):
            loop.run(progress)
        return self._finish(model, trainable, sets, loop, full, before, describe(model, sets, steps))

    def _finish(
        self,
        model: Model,
        trainable: Trainable,
        sets: TrainingSet,
        loop: Loop,
        full: dict[str, int],
        before: dict[str, str],
        metadata: dict[str, str],
    ) -> Report:
        """Save the result and its receipt."""
        rows = list_tensors(trainable, before)
        if not any(row.moved for row in rows):
            what = f"nothing moved in {loop.step} steps: {rows[0].name} and the others: {rows[0].reason}"
            raise BadParameter(what, where=f"train {self.kind}", fix="give a higher --rate, and --restart")
        files = self._save(trainable, metadata, loop.saved)
        whole = sum(full[part] for part in trainable.parts)
        receipt = Receipt(
            kind=self.kind,
            base=model.name,
            steps=loop.step,
            loss=loop.find_loss(),
            options=msgspec.to_builtins(self.params),
            given=list_given(self.params, self.job.given),
            data=sets.describe(),
            tensors=rows,
            trained=sum(tensor.numel() for group in trainable.groups() for tensor in group.tensors.values()),
            full=whole,
            file_bytes=measure_files(files),
            full_bytes=2 * whole,
            files=tuple(map(str, files)),
            notes=tuple(self.notes),
        )
        path = self.output.with_name(f"{self.output.stem}.receipt.json")
        atomic_write(path, json.dumps(receipt.to_json(), indent=1).encode() + b"\n")
        return Report(text=str(receipt), data=receipt.to_json(), files=(*files, path))

    def _save(self, trainable: Trainable, metadata: dict[str, str], step: int) -> tuple[Path, ...]:
        try:
            return trainable.save(self.output, metadata)
        except WriteFailed as error:
            fix = f"{error.fix}; the same command goes on from step {step}"
            raise WriteFailed(error.what, where=error.where, fix=fix) from error

    def _load_model(self) -> Model:
        params = self.params
        name = params.checkpoint or NAME
        device = self.job.host.device() if params.device == "auto" else params.device
        dtype = "float32" if name == NAME and params.dtype == "auto" else params.dtype
        placement = resolve_placement(device, dtype, bf16=True)
        folders = list_folders(params.checkpoint_dir)
        with self.job.progress("load model"):
            model = load_model(name, folders=folders, placement=placement, vae=params.vae)
        for text in model.notes:
            self.note(text)
        check_model(model, params)
        return model

    def _list_settings(self, model: Model, sets: TrainingSet) -> dict[str, Any]:
        values = {name: value for name, value in msgspec.to_builtins(self.params).items() if name not in SILENT}
        values["checkpoint"] = values["checkpoint"] or NAME
        return {
            "kind": self.kind,
            "version": VERSION,
            "params": values,
            "model": {"weights": hash_model(model), "dtype": model.placement.dtype},
            "data": sets.list_contents(),
        }

    def _plan(self, steps: int) -> Plan:
        names = [name for name in Plan.__struct_fields__ if name != "steps"]
        return Plan(steps=steps, **{name: getattr(self.params, name) for name in names})


def find_run_folder(output: Path) -> Path:
    """OUT.run beside OUT.safetensors or a folder OUT."""
    return output.with_name(f"{output.stem if output.suffix == '.safetensors' else output.name}.run")
