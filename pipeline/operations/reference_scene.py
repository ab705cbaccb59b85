"""Render scenes of the reference world."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ...core.operation import Inputs, Job, Operation, Report, Spec, target
from ...core.params import Params, about, between

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy import uint8
    from numpy.typing import NDArray

    from ..reference.world.scene import Scene

Style = Literal["render", "storybook", "blueprint"]
Guest = Literal["none", "mushroom", "snowman"]


class SceneInputs(Inputs, frozen=True):
    """Nothing but where to."""

    output: Annotated[Path, target("pictures", "Folder for the pictures and maps", suffix="", last=True)]


class SceneParams(Params, frozen=True):
    """Which scenes, and what of them."""

    seed: Annotated[int, between(0, 1_000_000_000, "First scene; the next ones follow")] = 0
    count: Annotated[int, between(1, 10_000, "How many scenes")] = 1
    style: Annotated[Style, about("Look of the pictures")] = "render"
    size: Annotated[int, between(32, 1024, "Width and height in pixels", step=8)] = 128
    maps: Annotated[bool, about("Write depth, normals, classes, poses and lines too")] = True
    guest: Annotated[Guest, about("A thing that the reference model does not know takes the place of one")] = "none"
    flawed: Annotated[bool, about("Spoil the pictures, for a negative word; with --training there are no captions")] = (
        False
    )
    training: Annotated[bool, about("Write a folder to train on: SEED.png and SEED.txt with the caption only")] = False


class ReferenceScene(Operation[SceneInputs, SceneParams]):
    """Render scenes of the little world that the reference model was trained on, with exact maps.

    For each seed SEED.png, its maps (SEED_depth.png, _normals, _seg, _pose, _lines) and SEED.json with the caption,
    the things, people's keypoints and straight edges; with training, SEED.png and SEED.txt with the caption. The same
    seed is the same scene everywhere. Scenes from 900000 on are not trained on.
    """

    spec = Spec(id="reference.scene", title="Render scenes", hosts=("cli",))

    def run(self, inputs: SceneInputs, params: SceneParams, job: Job) -> Report:
        """Render every scene. Raises WriteFailed."""
        from ...core.files import atomic_write
        from ...core.images.writing import encode_png
        from ..reference.world.captions import describe_scene
        from ..reference.world.scene import render_scene

        guest = None if params.guest == "none" else params.guest
        captions: dict[int, str] = {}
        files: list[Path] = []
        with job.progress("scenes", params.count, "pictures") as progress:
            for done, seed in enumerate(range(params.seed, params.seed + params.count), 1):
                scene = render_scene(seed, params.size, guest)
                caption = describe_scene(scene.spec, style=params.style)
                info = {"caption": caption, "seed": seed}
                for ending, pixels in _draw(scene, params):
                    path = inputs.output / f"{seed:06}{ending}.png"
                    job.check_free(path)
                    files.append(atomic_write(path, encode_png(pixels, info)))
                for ending, content in _describe(scene, caption, params):
                    files.append(atomic_write(inputs.output / f"{seed:06}{ending}", content))
                captions[seed] = caption
                progress(done, params.count)
        text = "\n".join(f"{seed:06} {caption}" for seed, caption in captions.items())
        data = [{"seed": seed, "caption": caption} for seed, caption in captions.items()]
        return Report(text=text, data=data, files=tuple(files))


def _draw(scene: Scene, params: SceneParams) -> Iterator[tuple[str, NDArray[uint8]]]:
    """Endings of names, and pictures."""
    picture = scene.draw(params.style)
    yield "", _spoil(picture, scene, params) if params.flawed else picture
    if params.maps and not params.training:
        from ..reference.maps import TRUTH_KINDS, draw_truth

        for kind in TRUTH_KINDS:
            yield f"_{kind}", draw_truth(scene, kind)


def _describe(scene: Scene, caption: str, params: SceneParams) -> Iterator[tuple[str, bytes]]:
    """Endings of names, and what is known of a scene."""
    if not params.training:
        yield ".json", _encode(scene)
    elif not params.flawed:
        yield ".txt", f"{caption}\n".encode()


def _spoil(picture: NDArray[uint8], scene: Scene, params: SceneParams) -> NDArray[uint8]:
    """The picture with flaws; the mirrored one shines through. They follow from the scene."""
    import numpy as np

    from ..reference.world.flaws import spoil

    return spoil(picture, picture[:, ::-1], np.random.default_rng(int(abs(scene.spec.sun) * 1e9)))


def _encode(scene: Scene) -> bytes:
    """What is known of a scene, as JSON."""
    import json

    import msgspec

    from ...core.poses.model import to_openpose

    document: dict[str, Any] = {
        "caption": scene.caption,
        "scene": msgspec.to_builtins(scene.spec),
        "pose": to_openpose(scene.pose),
        "edges": scene.edges.round(2).tolist(),
    }
    return json.dumps(document, indent=1).encode() + b"\n"
