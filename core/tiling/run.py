"""Makes a map tile by tile; see `core.tiling.ways` for how the tiles become one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..annotator import ControlMap, Request
from ..images.geometry import Size, find_padded_size
from ..images.resize import pad_batch, resize_images
from .canvas import Blend, Nearest
from .depth import align_depth, enlarge_part
from .line_contrast import keep_visible
from .lines import join_lines
from .notes import join_notes, restrict_notes
from .plan import Box, make_window, plan_boxes
from .poses import join_poses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..annotator import Annotator
    from ..images.types import Images, Values
    from ..params import Params
    from ..segments import Segments
    from .options import TileOptions
    from .ways import Lines, Way


class TiledRun:
    """Maps of pictures uint8 [B, H, W, 3], each larger than a tile, at size. step: called before every tile."""

    def __init__(
        self,
        annotator: Annotator[Any],
        pictures: Images,
        params: Params,
        size: Size,
        options: TileOptions,
        step: Callable[[int, int], None],
    ) -> None:
        self.annotator, self.pictures, self.params, self.size = annotator, pictures, params, size
        self.options, self.step = options, step
        self._notes: list[tuple[str, ...]] = []

    def run(self, way: Way) -> ControlMap:
        """The joined maps, with the notes of all passes."""
        joins: dict[Way, Callable[[], ControlMap]] = {
            "blend": self._blend,
            "nearest": self._take_nearest,
            "normals": self._blend_normals,
            "depth": self._align_depth,
            "poses": self._join_poses,
            "lines": self._join_lines,
        }
        result = joins[way]()
        return replace(result, notes=tuple(dict.fromkeys((*result.notes, *join_notes(self._notes)))))

    def _iter_crops(self, size: Size) -> Iterator[tuple[Box, Images]]:
        pictures = self.pictures if size == self.pictures.shape[1:3] else resize_images(self.pictures, size)
        boxes = plan_boxes(size, self.options.tile, self.options.overlap)
        for number, box in enumerate(boxes):
            self.step(number, len(boxes))
            rows, columns = box.slices
            yield box, pictures[:, rows, columns].copy()

    def _annotate(self, pictures: Images) -> ControlMap:
        """Map of pictures that have the map's size."""
        size = Size(*pictures.shape[1:3])
        result = self.annotator.run(self._request(pictures)).crop(size)
        self._notes.append(result.notes)
        return result

    def _request(self, pictures: Images) -> Request[Any]:
        size = Size(*pictures.shape[1:3])
        padded = size
        if self.annotator.spec.input_size == "map":
            padded = find_padded_size(size, self.annotator.spec.multiple)
        return Request(pad_batch(pictures, padded), self.params, padded)

    def _iter_tiles(self) -> Iterator[tuple[Box, ControlMap, Any]]:
        for box, crop in self._iter_crops(self.size):
            yield box, self._annotate(crop), make_window(box, self.size, self.options.overlap)

    def _blend(self, finish: Callable[[Values], Values] | None = None) -> ControlMap:
        images, values = Blend(self.size, _to_bytes), Blend(self.size, finish)
        for box, tile, window in self._iter_tiles():
            images.add(box, tile.images, window)
            if tile.values is not None:
                values.add(box, tile.values, window)
        joined: Images = images.read()  # type: ignore[assignment]
        return ControlMap(joined, values.read())

    def _blend_normals(self) -> ControlMap:
        return self._blend(lambda rows: rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-6))

    def _take_nearest(self) -> ControlMap:
        planes = Nearest(self.size)
        segments: list[dict[int, Segments]] = [{} for _ in self.pictures]
        for number, (box, tile, window) in enumerate(self._iter_tiles()):
            planes.add(box, [tile.images, *([] if tile.values is None else [tile.values])], window)
            for known, one in zip(segments, tile.segments or (), strict=False):
                known[number] = one
        images, *rest = planes.planes
        values: Values | None = rest[0] if rest else None
        return ControlMap(images, values, segments=_join_segments(segments, values))

    def _align_depth(self) -> ControlMap:
        whole = self._annotate_small()
        values = Blend(self.size)
        for box, tile, window in self._iter_tiles():
            targets = [enlarge_part(plane, self.size, box) for plane in whole]
            planes = [align_depth(p, target) for p, target in zip(_get_values(tile), targets, strict=True)]
            values.add(box, np.stack(planes), window)
        joined: Values = values.read()  # type: ignore[assignment]
        images = np.empty((*joined.shape, 3), np.uint8)
        render: Any = self.annotator
        for index, plane in enumerate(joined):
            span = render.find_span(plane, self.params)
            for top in range(0, self.size.height, self.options.tile):
                rows = slice(top, top + self.options.tile)
                images[index, rows] = render.render_span(plane[None, rows], self.params, span)[0]
        return ControlMap(images, joined)

    def _annotate_small(self) -> list[Any]:
        """Values of the whole pictures, made at the size of a tile."""
        k = self.options.tile / max(self.size)
        small = Size(max(1, round(self.size.height * k)), max(1, round(self.size.width * k)))
        return list(_get_values(self._annotate(resize_images(self.pictures, small))))

    def _join_poses(self) -> ControlMap:
        whole = self.annotator.run(Request(self.pictures, self.params, self.size))
        size = Size(*self.pictures.shape[1:3])
        tiles = [(box, self._annotate(crop).poses or ()) for box, crop in self._iter_crops(size)]
        margin = self.options.overlap // 2
        poses = tuple(
            join_poses(pose, ((box, found[index]) for box, found in tiles), size, margin)
            for index, pose in enumerate(whole.poses or ())
        )
        draw: Any = self.annotator
        empty = [index for index, pose in enumerate(poses) if not pose.people and not pose.animals]
        self._notes = [restrict_notes(notes, ()) for notes in self._notes]
        notes = restrict_notes(whole.notes, empty)
        return replace(whole, images=draw.draw_poses(poses, self.params), poses=poses, notes=notes)

    def _join_lines(self) -> ControlMap:
        drawing: Any = self.annotator
        overlap = self.options.overlap
        tiles: list[tuple[Box, list[Lines]]] = []
        for box, crop in self._iter_crops(self.size):
            found = drawing.find_lines(self._request(crop))
            tiles.append((box, [keep_visible(one, picture) for one, picture in zip(found, crop, strict=True)]))
        lines = [
            join_lines(((box, found[index]) for box, found in tiles), self.size, overlap)
            for index in range(len(self.pictures))
        ]
        empty = [str(index + 1) for index, found in enumerate(lines) if not len(found)]
        notes = (f"no line was found in picture {', '.join(empty)}: the map is black",) if empty else ()
        return ControlMap(drawing.draw_lines(lines, self.size), notes=notes)


def _to_bytes(rows: Values) -> Images:
    return np.rint(rows, out=rows).astype(np.uint8)


def _get_values(result: ControlMap) -> Values:
    if result.values is None:
        raise TypeError("an annotator of depth returned no values")
    return result.values


def _join_segments(found: list[dict[int, Segments]], values: Values | None) -> tuple[Segments, ...] | None:
    """Classes of all tiles of each picture, with their shares of the whole."""
    from ..segments import Segments as Joined
    from ..segments import recount

    if values is None or not any(found):
        return None
    joined: list[Segments] = []
    for parts, plane in zip(found, values, strict=True):
        classes = {one.index: one for part in parts.values() for one in part.classes}
        dataset = next(iter(parts.values())).dataset
        joined.append(recount(Joined(dataset, tuple(classes.values())), plane))
    return tuple(joined)
