"""Maps that the ControlNets are trained on: edges by this project's annotators, the rest from what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ....core.tensor_files.safetensors_io import write_safetensors
from ....preprocessors import load_annotator
from ...models.reference_files import DRAWN_BY
from ..maps import draw_classes, draw_depth, draw_joints, draw_lines
from ..world.scene import SIZE
from .data import read_scenes
from .latents import read_latents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Map = NDArray[np.uint8]

FIELDS = {"depth": "depth", "seg": "classes", "pose": "joints", "lines": "edges"}
"""Kinds whose maps are known, and the field that they come from."""
SIDES = ((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (14, 15), (16, 17))
"""Joints of the right and of the left, which a mirror exchanges."""
BATCH = 32


def write_maps(folder: Path, kind: str, *, device: str = "auto") -> Iterator[tuple[int, int]]:
    """Draw the maps of a run's latents, mirrored like these, and of the judged scenes. Gives how many of how many.

    The file holds maps and held_out, uint8 [N, H, W, 3], or 4 with a mask in the last channel.
    """
    latents = read_latents(folder / "latents")
    index, mirrored = latents["index"].numpy(), latents["mirrored"].numpy().astype(bool)
    field = FIELDS.get(kind, "pictures")
    source = read_scenes(folder / "scenes", (field,))[field]
    judged = read_scenes(folder / "scenes", (field,), held_out=True)[field]
    total = len(index) + len(judged)
    maps: list[Map] = []
    for first in range(0, len(index), BATCH):
        part = slice(first, first + BATCH)
        rows = [mirror(kind, source[i]) if m else source[i] for i, m in zip(index[part], mirrored[part], strict=True)]
        maps += draw_maps(kind, np.stack(rows), seed=first, device=device)
        yield len(maps), total
    held: list[Map] = []
    for first in range(0, len(judged), BATCH):
        held += draw_maps(kind, judged[first : first + BATCH], seed=-1 - first, device=device)
        yield len(maps) + len(held), total
    tensors = {"maps": torch.from_numpy(np.stack(maps)), "held_out": torch.from_numpy(np.stack(held))}
    write_safetensors(folder / "maps" / f"{kind}.safetensors", tensors)


def draw_maps(kind: str, rows: NDArray[Any], *, seed: int = 0, device: str = "auto") -> list[Map]:
    """Maps of pictures or of what is known, by kind. seed: of the masks for inpainting."""
    if kind in DRAWN_BY:
        return list(load_annotator(DRAWN_BY[kind], device=device)(rows, resolution=0).images)
    if kind == "inpaint":
        rng = np.random.default_rng(abs(seed) * 2 + (seed < 0))
        return [erase_part(picture, rng) for picture in rows]
    if kind == "depth":
        return [draw_depth(row) for row in rows]
    if kind == "seg":
        return [draw_classes(row) for row in rows]
    return [draw_joints(row, SIZE) if kind == "pose" else draw_lines(row, SIZE) for row in rows]


def mirror(kind: str, row: NDArray[Any]) -> NDArray[Any]:
    """What is known of the mirrored picture."""
    if kind == "pose":
        order = np.arange(18)
        for right, left in SIDES:
            order[[right, left]] = left, right
        return row[:, order] * np.array([-1, 1], row.dtype) + np.array([SIZE, 0], row.dtype)
    if kind == "lines":
        return row * np.array([-1, 1, -1, 1], row.dtype) + np.array([SIZE, 0, SIZE, 0], row.dtype)
    return row[:, ::-1]


def erase_part(picture: Map, rng: np.random.Generator) -> Map:
    """The picture with a random box or disc erased, and the mask as a fourth channel."""
    size = picture.shape[0]
    middle, reach = rng.uniform(0.15, 0.85, 2) * size, rng.uniform(0.12, 0.35, 2) * size
    rows, columns = np.mgrid[:size, :size]
    down, across = (rows - middle[0]) / reach[0], (columns - middle[1]) / reach[1]
    mask = (np.maximum(abs(down), abs(across)) < 1) if rng.random() < 0.5 else (down**2 + across**2 < 1)
    return np.concatenate([np.where(mask[..., None], 0, picture), mask[..., None] * 255], -1).astype(np.uint8)
