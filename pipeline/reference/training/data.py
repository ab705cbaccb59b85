"""Scenes rendered in advance, in files of a hundred, from which every part is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from ..world.scene import SIZE, Scene, render_scene
from ..world.spec import SceneSpec, sample_spec
from ..world.truth import encode_depth

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

SHARD = 100
HELD_OUT = 900_000
"""First seed of the scenes that are only judged; training has those from 0 on."""
STYLE_EVERY = 3
"""Every third scene is also drawn as a storybook and as a blueprint, for the VAE."""
PEOPLE, EDGES = 3, 96


class Scenes(msgspec.Struct, frozen=True):
    """N scenes. pictures uint8 [N, H, W, 3]; styles [M, H, W, 3], other looks of some of them; seeds [N].

    depth (as maps), classes and owners uint8, uint8, int8 [N, H, W]; joints float16 [N, 3, 18, 2] and edges float16
    [N, 96, 4] in pixels, NaN where there is none.
    """

    seeds: NDArray[np.int64]
    pictures: NDArray[np.uint8]
    styles: NDArray[np.uint8]
    depth: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    owners: NDArray[np.int8]
    joints: NDArray[np.float16]
    edges: NDArray[np.float16]

    @property
    def specs(self) -> list[SceneSpec]:
        """What stands in them."""
        return [sample_spec(np.random.default_rng(int(seed))) for seed in self.seeds]


def render_scenes(seeds: Iterable[int]) -> Scenes:
    """Render scenes and their truth."""
    rows = [_render(seed) for seed in seeds]
    joined = {name: np.stack([row[name] for row in rows]) for name in rows[0] if name != "styles"}
    styles = [row["styles"] for row in rows]
    return Scenes(styles=np.concatenate(styles), **joined)


def write_scenes(folder: Path, first: int, count: int, *, every: int = 1, start: int = 0) -> Iterable[int]:
    """Render scenes from a seed on in files of a hundred; files that are there stay. Gives the number done after each.

    every, start: this worker's share of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(range(first, first + count, SHARD)):
        path = folder / f"scenes_{seed:06d}.npz"
        if number % every == start and not path.exists():
            scenes = render_scenes(range(seed, min(seed + SHARD, first + count)))
            part = path.with_suffix(f".{start}.part")
            with part.open("wb") as file:
                np.savez(file, **msgspec.structs.asdict(scenes))
            part.replace(path)
        yield min((number + 1) * SHARD, count)


def read_scenes(folder: Path, names: Iterable[str], *, held_out: bool = False) -> dict[str, NDArray[Any]]:
    """Fields of all scenes in a folder by name, seeds in order."""
    paths = sorted(folder.glob("scenes_*.npz"))
    chosen = [path for path in paths if (int(path.stem.partition("_")[2]) >= HELD_OUT) == held_out]
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    for path in chosen:
        with np.load(path, allow_pickle=False) as file:
            for name, found in parts.items():
                found.append(file[name])
    return {name: np.concatenate(found) for name, found in parts.items()}


def _render(seed: int) -> dict[str, NDArray[Any]]:
    scene = render_scene(seed)
    styled = seed % STYLE_EVERY == 0
    pictures = scene.draw_all(("render", "storybook", "blueprint") if styled else ("render",))
    return {
        "seeds": np.array(seed, np.int64),
        "pictures": pictures[0],
        "styles": np.stack(pictures[1:]) if styled else np.empty((0, SIZE, SIZE, 3), np.uint8),
        "depth": encode_depth(scene.depth),
        "classes": scene.classes,
        "owners": scene.owners,
        "joints": _pack_joints(scene),
        "edges": _pack(scene.edges, EDGES),
    }


def _pack_joints(scene: Scene) -> NDArray[np.float16]:
    people = [[(p.x, p.y) if p else (np.nan, np.nan) for p in person.body] for person in scene.pose.people]
    return _pack(np.array(people, np.float32).reshape(-1, 18, 2), PEOPLE)


def _pack(rows: NDArray[np.float32], count: int) -> NDArray[np.float16]:
    packed = np.full((count, *rows.shape[1:]), np.nan, np.float16)
    packed[: min(len(rows), count)] = rows[:count]
    return packed
