"""Merge checkpoints into a model in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ...core.operation import Inputs, Job, ModelWeights, Operation, Report, Spec, target
from ._fields import CheckpointsOrRecipe
from ._recipes import RecipeParams, choose_presets, choose_recipe


class LiveInputs(Inputs, frozen=True):
    """Checkpoints, or a recipe among the parameters."""

    checkpoints: CheckpointsOrRecipe = ()
    output: Annotated[Path | None, target("model", "The merged model")] = None


class CheckpointLive(Operation[LiveInputs, RecipeParams]):
    """Merge checkpoints into a model, text encoders and a VAE without writing a file.

    They are those of the file that `Merge checkpoints` writes, bit for bit: give it the recipe that comes out to save
    the merge.
    """

    spec = Spec(id="checkpoint.live", title="Merge checkpoints live", hosts=("comfyui",))

    def run(self, inputs: LiveInputs, params: RecipeParams, job: Job) -> Report:
        """Merge in memory. Raises BadParameter, BadWeights, UnsafeFile."""
        from ..merging import compute_recipe, describe_plan
        from ..places import name_in_folders
        from ..recipe import encode_recipe, pin_files

        recipe, notes = choose_recipe(inputs.checkpoints, params, job.host, job.given)
        presets = choose_presets(params.presets, job.host)
        with job.progress("merge", unit="bytes") as progress:
            tensors, metadata, ready = compute_recipe(recipe, progress, presets)
        placed = pin_files(recipe.node, ready.hashes, name_in_folders(job.host))
        data = describe_plan(ready)
        return Report(
            text=f"{data['family']}, {data['keys']} keys, {data['dtype']}, recipe {data['recipe_sha256']}",
            data=data,
            notes=(*notes, *ready.notes),
            model=ModelWeights(tensors, metadata, encode_recipe(placed)),
        )
