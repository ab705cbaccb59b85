"""Merge checkpoints in many ways, to compare them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

from ...checkpoints.operations._recipes import RecipeParams, choose_presets, choose_recipe
from ...core.errors import BadParameter, UnderdrawingError
from ...core.operation import Inputs, Job, Operation, Report, Spec, slot, target
from ...core.params import about, between, items

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy import uint8
    from numpy.typing import NDArray

    from ...checkpoints.recipe import Recipe
    from ...checkpoints.sweeping import Point


class SweepInputs(Inputs, frozen=True):
    """Checkpoints, and a folder."""

    checkpoints: Annotated[tuple[Path, ...], slot("checkpoints", "Checkpoints A, B, C, ... in order", repeat="all")]
    output: Annotated[
        Path, target("pictures", "Folder for recipes, pictures and checkpoints; created if missing", suffix="")
    ]


class SweepParams(RecipeParams, frozen=True, kw_only=True):
    """What changes from merge to merge, and what is made of each."""

    method: Annotated[str, about("Merge methods, with commas between them")] = "weighted_sum"
    alpha: Annotated[str, about("Values of alpha: FROM:TO:STEP, or numbers with commas; empty: 0:1:0.25, or 1")] = ""
    preset: Annotated[
        str, about("Presets of block weights, or blocks such as IN04-OUT05, with commas; their weights times alpha")
    ] = ""
    write: Annotated[bool, about("Write a checkpoint for each merge")] = False
    prompt: Annotated[str, about("Prompt of a picture of each merge, and of a sheet of all; empty: no pictures")] = ""
    negative: Annotated[str, about("What the pictures do not show")] = ""
    picture_seed: Annotated[int, between(0, 2**63 - 1, "Seed of every picture")] = 0
    picture_steps: Annotated[int, between(1, 1000, "Steps of a picture")] = 20
    sampler: Annotated[str, about("Sampler, as A1111 or ComfyUI call it")] = "DPM++ 2M"
    cfg: Annotated[float, between(0, 100, "How strictly the prompt is followed; 0: as the model likes", step=0.5)] = 0.0
    width: Annotated[int, between(0, 16384, "Width in pixels; 0: the model's", step=8)] = 0
    height: Annotated[int, between(0, 16384, "Height in pixels; 0: the model's", step=8)] = 0


class CheckpointSweep(Operation[SweepInputs, SweepParams]):
    """Merge checkpoints with every combination of methods, values of alpha and presets: recipes, and pictures of each.

    A recipe is a JSON file for `checkpoint merge --recipe`. A picture is of the very checkpoint that its recipe makes;
    one checkpoint at a time stands in the folder while pictures are made. Pictures need the extra pipeline.
    """

    spec = Spec(id="checkpoint.sweep", title="Sweep merges of checkpoints", hosts=("cli",))

    def run(self, inputs: SweepInputs, params: SweepParams, job: Job) -> Report:
        """Make them in turn; what is finished stays. Raises as `checkpoint merge` and `generate`."""
        points, recipes, notes = list_recipes(inputs.checkpoints, params, job)
        notes += _describe_folder(inputs.output, points, params)
        presets = choose_presets(params.presets, job.host)
        sheet: list[tuple[str, NDArray[uint8]]] = []
        rows: list[dict[str, Any]] = []
        try:
            for number, (point, recipe) in enumerate(zip(points, recipes, strict=True), 1):
                with job.progress(f"{number} of {len(points)}: {point.name}", unit="bytes") as progress:
                    row, found = _make_point(inputs.output, point, recipe, params, presets, progress)
                rows.append(row)
                notes += [note for note in found if note not in notes]
                if params.prompt:
                    sheet.append((point.name, _draw_picture(inputs.output, row, params)))
        except (UnderdrawingError, KeyboardInterrupt):
            job.host.keep({"merges": rows, "notes": notes})
            raise
        files = [Path(row[name]) for row in rows for name in ("recipe", "checkpoint", "picture") if row.get(name)]
        if sheet:
            files.append(_write_sheet(inputs.output, sheet))
        text = "\n".join(f"{row['name']}  {row['recipe_sha256'][:10]}" for row in rows)
        return Report(text=text, data={"merges": rows, "notes": notes}, files=tuple(files), notes=tuple(notes))


def list_recipes(
    checkpoints: tuple[Path, ...], params: SweepParams, job: Job
) -> tuple[list[Point], list[Recipe], list[str]]:
    """Points of a sweep, their recipes, and notes. Raises BadParameter, UnknownName."""
    from ...checkpoints.graph import check_counts
    from ...checkpoints.method_registry import methods
    from ...checkpoints.recipe import Recipe
    from ...checkpoints.sweeping import apply_point, list_points, read_values

    if params.recipe or params.blocks:
        what = "a sweep makes recipes of checkpoints, methods, alpha and presets"
        raise BadParameter(what, where="recipe" if params.recipe else "blocks", fix="use --preset, or leave it out")
    names = {
        method: any(f.name == "alpha" for f in methods()[method].fields())
        for method in items(params.method, commas=True)
    }
    presets = choose_presets(params.presets, job.host)
    alphas = read_values(params.alpha or ("1" if params.preset else "0:1:0.25"))
    points, notes, recipes = (
        list_points(names, alphas, tuple(items(params.preset, commas=True)) or ("",)),
        list[str](),
        list[Recipe](),
    )
    for point in points:
        values = {name: getattr(params, name) for name in RecipeParams.__struct_fields__}
        own = RecipeParams(**values | {"method": point.method, "alpha": 0.5})  # type: ignore[call-arg]
        recipe, found = choose_recipe(checkpoints, own, job.host, job.given)
        recipes.append(Recipe(node=apply_point(recipe.node, point, presets, int(own.seed))))  # type: ignore[attr-defined]
        check_counts(recipes[-1].node)
        notes += [note for note in found if note not in notes]
    return points, recipes, notes


def _describe_folder(folder: Path, points: list[Point], params: SweepParams) -> list[str]:
    """What stands in the folder before a sweep: files that it replaces, and others, which are none of its own."""
    if not folder.is_dir():
        return []
    endings = (".json", *((".safetensors",) if params.write else ()), *((".png",) if params.prompt else ()))
    own = {f"{point.name}{ending}" for point in points for ending in endings}
    own |= {"sheet.png"} if params.prompt else set()
    found = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    lists = [name for name in found if name in own], [name for name in found if name not in own]
    ends = ("replaced", "not of this sweep and stay; give a new folder to keep sweeps apart")
    return [
        f"{folder}: {len(names)} files that were there are {end}: {', '.join(names[:3])}{' ...' if names[3:] else ''}"
        for names, end in zip(lists, ends, strict=True)
        if names
    ]


def _make_point(
    folder: Path,
    point: Point,
    recipe: Recipe,
    params: SweepParams,
    presets: Mapping[str, str],
    progress: Callable[[int, int], None],
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Write a recipe, and the checkpoint where it is wanted; everything is checked in any case."""
    from ...checkpoints.merging import plan_recipe, run_recipe
    from ...checkpoints.recipe import encode_recipe, pin_files
    from ...core.files import atomic_write

    file = folder / f"{point.name}.safetensors"
    report = run_recipe(recipe, file, progress, presets) if params.write else plan_recipe(recipe, presets, progress)
    hashes = {one["path"]: one["sha256"] for one in report.data["inputs"]}
    placed = pin_files(recipe.node, hashes, lambda path: str(Path(path).absolute()))
    written = atomic_write(folder / f"{point.name}.json", encode_recipe(placed).encode())
    row: dict[str, Any] = {
        **point._asdict(),
        "recipe": str(written),
        "recipe_sha256": report.data["recipe_sha256"],
        "checkpoint": str(file) if params.write else None,
        "sha256": report.data.get("sha256"),
        "picture": None,
    }
    return row, report.notes


def _draw_picture(folder: Path, row: dict[str, Any], params: SweepParams) -> NDArray[uint8]:
    """A picture of the checkpoint, which is made for it where it was not written."""
    from ...checkpoints.merging import merge
    from ...core.files import atomic_write
    from ..generate import generate_pictures, make_request
    from ..infotext.pictures import encode_picture

    with TemporaryDirectory(prefix=".ud-sweep-", dir=folder) as place:
        file = Path(row["checkpoint"] or Path(place) / f"{row['name']}.safetensors")
        if not row["checkpoint"]:
            row["sha256"] = merge(Path(row["recipe"]), file).data["sha256"]
        request = make_request(
            prompt=params.prompt,
            negative=params.negative,
            checkpoint=str(file.absolute()),
            seed=params.picture_seed,
            steps=params.picture_steps,
            sampler=params.sampler,
            cfg=params.cfg,
            width=params.width,
            height=params.height,
        )
        (result,) = generate_pictures(request)
    row["picture"] = str(folder / f"{row['name']}.png")
    atomic_write(row["picture"], encode_picture(result.pixels, result.infotext, result.request))
    return result.pixels


def _write_sheet(folder: Path, pictures: list[tuple[str, NDArray[uint8]]]) -> Path:
    from ...core.files import atomic_write
    from ...core.images.contact_sheet import draw_sheet
    from ...core.images.writing import encode_png

    return atomic_write(
        folder / "sheet.png", encode_png(draw_sheet(pictures), {"sheet": [name for name, _ in pictures]})
    )
