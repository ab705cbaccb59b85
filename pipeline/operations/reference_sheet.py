"""Draw a sheet of what the reference model makes of control maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ...core.errors import WeightsMissing
from ...core.operation import Inputs, Job, Operation, Report, Spec, target
from ...core.params import Params, about, between

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy import uint8
    from numpy.typing import NDArray

    from ..reference.world.scene import Scene
    from ..reference.world.spec import SceneSpec
    from ..request import Control

    Cell = tuple[str, NDArray[uint8]]

SCENES = {
    "canny": 900_010,
    "softedge": 900_031,
    "lines": 900_026,
    "scribble": 900_003,
    "depth": 900_025,
    "seg": 900_032,
    "pose": 900_024,
    "inpaint": 900_039,
}
"""Kind of control → a scene that the model was not trained on and in which it has something to say."""
CELLS = 3
"""Of each kind: scene, map, picture."""
ANNOTATORS = {"canny": "canny", "softedge": "hed", "scribble": "scribble_hed", "inpaint": "inpaint"}
"""Kinds whose maps are made of the picture; the others are known of the scene."""


class SheetInputs(Inputs, frozen=True):
    """Nothing but where to."""

    output: Annotated[Path, target("pictures", "The sheet", suffix=".png")]


class SheetParams(Params, frozen=True):
    """How the pictures are drawn."""

    seed: Annotated[int, between(0, 1_000_000_000, "Seed of all pictures")] = 4
    steps: Annotated[int, between(1, 1000, "Steps of a picture")] = 20
    adapters: Annotated[
        bool, about("Draw the adapters that came with the package, off and on, instead of controls")
    ] = False


class ReferenceSheet(Operation[SheetInputs, SheetParams]):
    """Draw scenes, their control maps, and what the reference model makes of each map and of other words.

    For every ControlNet that came with the package: a scene of the little world, its map, and a picture that keeps the
    map and follows a prompt in which colours, ground and time of day are others. With adapters: its LoRAs and words,
    off and on, with equal noise.
    """

    spec = Spec(id="reference.sheet", title="Draw a sheet of controlled pictures", hosts=("cli",))

    def run(self, inputs: SheetInputs, params: SheetParams, job: Job) -> Report:
        """Draw and write. Raises WeightsMissing where the model did not come along, MissingExtra, WriteFailed."""
        from ..models.reference_files import find_reference, find_reference_control_kind

        find_reference()
        if params.adapters:
            return _draw_adapters(inputs.output, params, job)
        there = [kind for kind in SCENES if find_reference_control_kind(kind) is not None]
        if not there:
            what = "no ControlNet of the reference model came with the package"
            raise WeightsMissing(what, where="reference", fix="train one with `underdrawing reference train`")
        cells: list[Cell] = []
        with job.progress("sheet", len(there), "pictures") as progress:
            for done, kind in enumerate(there, 1):
                cells += _draw_row(kind, params)
                progress(done, len(there))
        _write_sheet(inputs.output, cells, there, job)
        missing = [kind for kind in SCENES if kind not in there]
        prompts = [f"{kind}: {prompt}" for kind, (prompt, _) in zip(there, cells[CELLS - 1 :: CELLS], strict=True)]
        notes = (f"left out, because their weights did not come along: {', '.join(missing)}",) if missing else ()
        data = {"kinds": there, "prompts": prompts, "missing": missing}
        return Report(text="\n".join([str(inputs.output), *prompts]), data=data, notes=notes)


def _draw_adapters(output: Path, params: SheetParams, job: Job) -> Report:
    """The other sheet: LoRAs and words."""
    from ..reference.adapter_sheet import ROWS, draw_cells

    cells: list[Cell] = []
    with job.progress("sheet", CELLS * len(ROWS), "pictures") as progress:
        for cell in draw_cells(params.steps):
            cells.append(cell)
            progress(len(cells), CELLS * len(ROWS))
    prompts = [row.prompt for row in ROWS]
    _write_sheet(output, cells, ["adapters"], job)
    return Report(text="\n".join([str(output), *prompts]), data={"prompts": prompts})


def _write_sheet(output: Path, cells: list[Cell], kinds: list[str], job: Job) -> None:
    from ...core.files import atomic_write
    from ...core.images.contact_sheet import draw_sheet
    from ...core.images.writing import encode_png

    job.check_free(output)
    atomic_write(output, encode_png(draw_sheet(cells, group=CELLS), {"sheet": kinds}))


def _draw_row(kind: str, params: SheetParams) -> Iterator[Cell]:
    """A scene, its map, and the picture in other words."""
    from ..generate import generate
    from ..reference.world.captions import describe_scene
    from ..reference.world.scene import render_scene

    scene = render_scene(SCENES[kind])
    prompt = describe_scene(change_words(scene.spec))
    control, fields = make_control(kind, scene)
    if kind == "inpaint":
        prompt = describe_scene(change_words(scene.spec, surroundings=False))
    result = generate(prompt, seed=params.seed, steps=params.steps, controls=[control], **fields)[0]
    yield scene.caption, scene.picture
    yield kind, result.maps[0]
    yield prompt, result.pixels


def make_control(kind: str, scene: Scene) -> tuple[Control, dict[str, Any]]:
    """A control of a kind with its map of a scene, and what else a request needs for it."""
    from ..reference.maps import draw_truth
    from ..request import Control

    if kind == "inpaint":
        control = Control(annotator=ANNOTATORS[kind], model=kind)
        return control, {"image": scene.picture, "mask": _grow(scene.masks[0]), "strength": 1.0}
    if kind in ANNOTATORS:
        return Control(annotator=ANNOTATORS[kind], model=kind, image=scene.picture), {}
    return Control(model=kind, image=draw_truth(scene, kind)), {}  # type: ignore[arg-type]


def change_words(spec: SceneSpec, *, surroundings: bool = True) -> SceneSpec:
    """The same things in other colours and, with surroundings, on another ground at another time of day."""
    import msgspec

    from ..reference.world.spec import COLOURS, GROUNDS, TIMES, TREE_COLOURS

    def follow(options: tuple[Any, ...], value: Any) -> Any:
        return options[(options.index(value) + 1) % len(options)]

    things = tuple(
        msgspec.structs.replace(
            thing, colour=follow(TREE_COLOURS if thing.kind == "tree" else COLOURS, thing.colour), shiny=False
        )
        for thing in spec.things
    )
    if not surroundings:
        return msgspec.structs.replace(spec, things=(things[0], *spec.things[1:]))  # only the first is painted anew
    ground, time = follow(GROUNDS, spec.ground), follow(TIMES, spec.time)
    return msgspec.structs.replace(spec, things=things, ground=ground, time=time)


def _grow(mask: NDArray[Any]) -> NDArray[uint8]:
    """A mask with some of what is around."""
    import cv2
    import numpy as np

    return np.asarray(cv2.dilate(mask.astype(np.uint8) * 255, np.ones((9, 9), np.uint8)), np.uint8)
