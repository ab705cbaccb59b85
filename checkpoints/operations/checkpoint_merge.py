"""Merge checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from ...core.errors import BadParameter
from ...core.operation import Inputs, Job, Operation, Report, Spec, target
from ...core.params import about
from ..method_registry import describe_method, methods
from ._fields import FORM_HELP, OUTPUT, CheckpointsOrRecipe, Form, choose_suffix
from ._recipes import RecipeParams, choose_presets, choose_recipe, recipe_hints


class MergeInputs(Inputs, frozen=True):
    """Checkpoints, or a recipe among the parameters."""

    checkpoints: CheckpointsOrRecipe = ()
    output: Annotated[Path | None, target("checkpoint", f"{OUTPUT}; not with a dry run", optional=True)] = None


class MergeParams(RecipeParams, frozen=True, kw_only=True):
    """The recipe, and how it is written."""

    allow_damaged: Annotated[bool, about("Write values that are NaN or infinite too")] = False
    to: Annotated[Form, about(FORM_HELP)] = "auto"
    dry_run: Annotated[bool, about("Check everything and say what would be written, but write nothing")] = False
    verify: Annotated[bool, about("Read the result back and compare its hash before it gets its name")] = False


class CheckpointMerge(Operation[MergeInputs, MergeParams]):
    """Merge checkpoints of any model, key by key, in one pass and little memory.

    Everything is computed in float32 and rounded once. What is no weight (schedulers, scalars) and the VAE stay as
    checkpoint A has them. The result's metadata holds the recipe it can be made again by.
    """

    spec = Spec(id="checkpoint.merge", title="Merge checkpoints", added=("to", "verify", "lower", "upper"))

    def suffix(self, params: MergeParams) -> str:
        """Ending of the new file; none of a folder."""
        return choose_suffix(params.to)

    @classmethod
    def hints(cls) -> dict[str, dict[str, Any]]:
        """What each method reads, and the blocks of models."""
        return recipe_hints()

    @classmethod
    def details(cls) -> dict[str, tuple[tuple[str, str], ...]]:
        """The methods with their formulas, and the names of presets."""
        from ..block_presets import PRESETS

        return {
            "Methods": tuple((method.spec.id, describe_method(method)) for method in methods()),
            "Presets of block weights": (("blocks", ", ".join(PRESETS)),),
        }

    def run(self, inputs: MergeInputs, params: MergeParams, job: Job) -> Report:
        """Merge and write. Raises BadParameter, BadWeights, UnsafeFile, WriteFailed."""
        from ..merging import plan_recipe, run_recipe

        recipe, notes = choose_recipe(inputs.checkpoints, params, job.host, job.given)
        presets = choose_presets(params.presets, job.host)
        with job.progress("merge", unit="bytes") as progress:
            if params.dry_run:
                report = plan_recipe(recipe, presets, progress)
            elif inputs.output is None:
                raise BadParameter("a merge needs a file to write", where="output", fix="give -o OUT, or --dry-run")
            else:
                options = {"allow_damaged": params.allow_damaged, "verify": params.verify}
                report = run_recipe(recipe, inputs.output, progress, presets, form=params.to, **options)
        return msgspec.structs.replace(report, notes=(*notes, *report.notes))
