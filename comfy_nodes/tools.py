"""Nodes that work with any annotator: all in one, sheet, sizes, saving of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..core.images.geometry import Size, find_pixel_perfect
from ..core.params import make_params
from ..core.tiling.options import TileOptions as Tiles
from ..core.tiling.options import choose_tiles
from ..core.video.options import TemporalOptions
from ..preprocessors import registry
from . import host, inputs
from .annotators import run_annotator
from .changes import WritingNode
from .inputs import NODE_ID, PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ..core.images.geometry import FitMode
    from ..core.registry import AnnotatorType

    Inputs = dict[str, dict[str, inputs.Input]]


class AnyAnnotator:
    """Any annotator with its default parameters, chosen by name."""

    TITLE, CATEGORY = f"Any annotator ({PREFIX})", f"{PREFIX}/Tools"
    RETURN_TYPES, RETURN_NAMES, FUNCTION = ("IMAGE",), ("map",), "annotate"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Picture, name, size, mask."""
        names = [annotator.spec.id for annotator in registry]
        name = (names, {"tooltip": "Each has a node of its own with its parameters"})
        optional = {"resolution": inputs.RESOLUTION, "match_input": inputs.MATCH_INPUT}
        optional |= {"mask": inputs.MASK, "video": inputs.VIDEO, "tiles": inputs.TILES}
        return {"required": {"image": inputs.IMAGE, "annotator": name}, "optional": optional}

    @classmethod
    def VALIDATE_INPUTS(cls, annotator: str) -> bool | str:
        """Accept every name that is known; say what to use in place of one that is not offered."""
        return registry.find_problem(annotator) or True

    @classmethod
    def list_runs(cls, stored: dict[str, Any]) -> Iterator[tuple[AnnotatorType, dict[str, Any]]]:
        """What a name runs. Raises UnknownName."""
        if isinstance(stored.get("annotator"), str):
            found = registry.resolve(stored["annotator"])
            yield found.annotator, found.presets

    def annotate(
        self,
        image: Tensor,
        annotator: str,
        resolution: int = 512,
        match_input: bool = False,
        mask: Tensor | None = None,
        **values: Any,
    ) -> Any:
        """Make the maps; a mask is left out where none is taken."""
        found = registry.resolve(annotator)
        used = mask if found.annotator.spec.takes_mask else None
        size = 0 if match_input else resolution
        result = run_annotator(found.annotator, image, {**found.presets, **values}, size, used, found.note)
        return (first(result),)


class Sheet:
    """The first picture through every annotator that can run here without a mask, as one labelled sheet."""

    TITLE = f"Sheet of all maps ({PREFIX})"
    CATEGORY = f"{PREFIX}/Tools"
    RETURN_TYPES, RETURN_NAMES, FUNCTION = ("IMAGE",), ("sheet",), "draw"
    INPUT_TYPES = inputs.fixed({"image": inputs.IMAGE}, {"resolution": inputs.RESOLUTION})

    def draw(self, image: Tensor, resolution: int = 512) -> tuple[Tensor]:
        """Draw the sheet; annotators that cannot run here are left out, and the log says why."""
        from ..preprocessors.batches.sheet import draw_every_map
        from . import pictures

        return (pictures.image(draw_every_map(pictures.arrays(image[:1])[0], host.HOOKS, resolution)[None]),)


class PixelPerfect:
    """Resolution at which a map has just the detail the generation can show (A1111's Pixel Perfect)."""

    TITLE = f"Pixel perfect resolution ({PREFIX})"
    CATEGORY = f"{PREFIX}/Tools"
    RETURN_TYPES: ClassVar[tuple[str, ...]] = ("INT",)
    RETURN_NAMES, FUNCTION = ("resolution",), "measure"
    INPUT_TYPES = inputs.fixed(
        {"image": inputs.IMAGE, "width": inputs.WIDTH, "height": inputs.HEIGHT, "mode": inputs.MODE}
    )

    def measure(self, image: Tensor, width: int, height: int, mode: FitMode) -> tuple[int]:
        """Compute the resolution."""
        return (find_pixel_perfect(Size(*image.shape[1:3]), Size(height, width), mode),)


class Fit:
    """Brings maps to the size of the generation without blurring lines or mixing class colours."""

    TITLE = f"Fit map ({PREFIX})"
    CATEGORY = f"{PREFIX}/Tools"
    RETURN_TYPES, RETURN_NAMES, FUNCTION = ("IMAGE",), ("map",), "fit"
    INPUT_TYPES = PixelPerfect.INPUT_TYPES

    def fit(self, image: Tensor, width: int, height: int, mode: FitMode) -> tuple[Tensor]:
        """Fit every map by what it shows."""
        import numpy as np

        from ..core.images.fit_map import fit_map
        from . import pictures

        fitted = [fit_map(one, Size(height, width), mode) for one in pictures.arrays(image)]
        return (pictures.image(np.stack(fitted)),)


class SaveValues(WritingNode):
    """Writes the numbers behind maps as 16-bit grey PNG; the file's text says which numbers black and white are."""

    TITLE = f"Save values, 16 bit ({PREFIX})"
    CATEGORY = f"{PREFIX}/Tools"
    INPUT_TYPES = inputs.fixed({"values": ("MASK", {}), "filename_prefix": inputs.prefix("values")}, hidden=NODE_ID)

    def save(self, values: Tensor, filename_prefix: str, unique_id: str = "") -> dict[str, Any]:
        """Write one file per picture and show them."""
        from ..core.images.writing import encode_values

        numbers = values.detach().cpu().float().numpy().reshape(-1, *values.shape[-2:])
        pictures = [encode_values(number, {}) for number in numbers]
        return {"ui": {"images": self.write(filename_prefix, unique_id, ".png", pictures)}}


class VideoOptions:
    """Options over the frames of a clip, for the input video of annotators' nodes.

    With it a batch counts as the frames of one clip: poses keep who is who, depth has one scale and range, and edges
    and lines can get a median over time. Options of other kinds of maps change nothing.
    """

    TITLE, CATEGORY = f"Video options ({PREFIX})", f"{PREFIX}/Video"
    RETURN_TYPES, RETURN_NAMES, FUNCTION = (inputs.VIDEO[0],), ("video",), "choose"
    INPUT_TYPES = inputs.of_params(TemporalOptions)

    def choose(self, **values: Any) -> tuple[TemporalOptions]:
        """Check the options. Raises BadParameter."""
        return (make_params(TemporalOptions, values, where="video"),)


class TileOptions:
    """Overlapping tiles for maps of large pictures, for the input tiles of annotators' nodes.

    A network sees a picture of 4K in pieces of the size that it was trained at, and the maps are joined without a
    seam: depth by scale and shift of the whole picture, straight lines and people by their places.
    """

    TITLE, CATEGORY = f"Tile options ({PREFIX})", f"{PREFIX}/Tools"
    RETURN_TYPES, RETURN_NAMES, FUNCTION = (inputs.TILES[0],), ("tiles",), "choose"
    INPUT_TYPES = inputs.of_params(Tiles, tile=512)

    def choose(self, **values: Any) -> tuple[Tiles | None]:
        """Check the options. Raises BadParameter."""
        return (choose_tiles(**values),)


def first(result: Any) -> Any:
    """Picture of an annotator's node."""
    return (result["result"] if isinstance(result, dict) else result)[0]


def nodes() -> dict[str, type]:
    """Class name → node."""
    every = {"Any": AnyAnnotator, "Sheet": Sheet, "PixelPerfect": PixelPerfect, "Fit": Fit, "SaveValues": SaveValues}
    every |= {"VideoOptions": VideoOptions, "TileOptions": TileOptions}
    return {PREFIX + name: node for name, node in every.items()}
