"""What an annotator is: a declaration that costs nothing to read, and one method that makes the map."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import msgspec

from .aux_inputs import Widget
from .declarations import Declaration
from .errors import MissingExtra, WeightsMissing
from .imports import INSTALL_AS, describe_lacking, find_lacking, report_broken_imports
from .networks.placement import Placement
from .params import Params, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .images.geometry import Size
    from .images.types import Images, Masks, Values
    from .poses.model import Pose
    from .segments import Segments
    from .tiling.options import TileOptions
    from .weights.record import Weight

P = TypeVar("P", bound=Params)


def build_pip_command(modules: Iterable[str]) -> str:
    """Command that installs these modules."""
    return f"pip install {' '.join(INSTALL_AS.get(module, module) for module in modules)}"


class Kind(Enum):
    """Family of a control map; ties it to the ControlNets that read it."""

    EDGES = "edges"
    SOFT_EDGES = "soft edges"
    LINES = "lines"
    SCRIBBLE = "scribble"
    DEPTH = "depth"
    NORMALS = "normals"
    SEGMENTATION = "segmentation"
    POSE = "pose"
    FACE = "face"
    MASK = "mask"
    COLOUR = "colour"
    TILE = "tile"
    SHUFFLE = "shuffle"
    INPAINT = "inpaint"


Host = Literal["a1111", "comfyui", "controlnet_aux"]


class Alias(msgspec.Struct, frozen=True):
    """A name users already know, with the parameter values it stands for.

    title, widgets: label and inputs of the ComfyUI node of that name, so that saved workflows open unchanged.
    instead: what the name means elsewhere, when that is another network than here; noted with every map.
    pack: folder of the pack that the node comes from, beside which ours has no node of that name.
    """

    name: str
    host: Host
    presets: dict[str, Value] = {}
    title: str = ""
    widgets: tuple[Widget, ...] = ()
    instead: str = ""
    pack: str = "comfyui_controlnet_aux"


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """Declaration of an annotator.

    multiple: the network's own size multiple; inputs are edge-padded to it on the right and bottom and the map is
        cropped again.
    input_size: "map" hands over pictures already resized to the map's size; "original" hands over the pictures as they
        are, and the annotator draws at the size requested (poses, masks).
    smooth: whether the map may be interpolated when a host fits it to another size (False: binary or class colours).
    bf16: the map is unchanged in bfloat16 (SSIM >= 0.99, held by a test).
    values: raw values that come with a map: "scalar", one number per pixel, [B, H, W]; "rgb", one per channel,
        [B, H, W, C]; "labels", the class index of each pixel, [B, H, W].
    makes_mask: the map is white where something is, so that it can serve as the mask of others.
    requires: modules beyond numpy that must be importable; a part of a package where not every version has it.
    version: rises whenever the same input gives other pixels.
    """

    id: str
    title: str
    kind: Kind
    licence: str
    commercial: bool
    source: str
    aliases: tuple[Alias, ...] = ()
    consumers: tuple[str, ...] = ()
    weights: tuple[Weight, ...] = ()
    requires: tuple[str, ...] = ("cv2",)
    multiple: int = 1
    input_size: Literal["map", "original"] = "map"
    smooth: bool = True
    bf16: bool = False
    takes_mask: bool = False
    makes_mask: bool = False
    values: Literal["none", "scalar", "rgb", "labels"] = "none"
    version: int = 1


@dataclass(frozen=True)
class Request(Generic[P]):
    """One call of an annotator.

    images: uint8 [B, H, W, 3], at map size (padded to spec.multiple) or as read, see Spec.input_size.
    size: height and width of the map to return (equals the images' own size when Spec.input_size is "map").
    masks: bool [B, H, W] at the images' size when the annotator takes a mask and one was given.
    """

    images: Images
    params: P
    size: Size
    masks: Masks | None = None


@dataclass(frozen=True)
class ControlMap:
    """Result of an annotator.

    images: uint8 [B, H, W, 3], what a ControlNet expects. values: float32 [B, H, W] or [B, H, W, C] behind the
    picture (probability, depth, inpaint's -1, index of a class), or None. poses: one Pose per image, or None.
    segments: classes of each image, where values are labels. info: what made the map (annotator, version, parameters,
    weights, device), JSON-serialisable. notes: fallbacks worth telling the user.
    """

    images: Images
    values: Values | None = None
    poses: tuple[Pose, ...] | None = None
    segments: tuple[Segments, ...] | None = None
    info: dict[str, Any] = field(default_factory=dict[str, Any])
    notes: tuple[str, ...] = ()

    def crop(self, size: Size) -> ControlMap:
        """Keep the top left size = (height, width), as arrays of their own."""
        import numpy as np

        height, width = size
        images = np.ascontiguousarray(self.images[:, :height, :width])
        values = None if self.values is None else np.ascontiguousarray(self.values[:, :height, :width])
        segments = self.segments
        if segments is not None and values is not None and images.shape != self.images.shape:
            from .segments import recount

            segments = tuple(recount(one, plane) for one, plane in zip(segments, values, strict=True))
        return replace(self, images=images, values=values, segments=segments)


class Annotator(Declaration[P], ABC):
    """Base of every annotator; subclass with your Params type, a spec and ``run``.

    The docstring of a subclass is its help text everywhere. Heavy modules (numpy, cv2, torch) are imported inside
    methods, so that listing annotators stays cheap.
    """

    spec: ClassVar[Spec]
    notes: tuple[str, ...] = ()
    """Notes that go with every map, because of the names that the annotator or its parameters were asked for by."""
    tiles: TileOptions | None = None
    """Tiles in which maps that are larger than one are made; None: in one piece."""

    def step_tile(self, done: int, total: int) -> None:
        """Called before every tile; a host that shows progress or can stop puts its own in place."""

    def __init__(self, placement: Placement, defaults: P) -> None:
        self.placement, self.defaults = placement, defaults

    @classmethod
    def create(cls, defaults: P, *, device: str = "auto", dtype: str = "auto", backend: str = "torch") -> Annotator[P]:
        """Place and load; defaults are the parameters of calls that give none.

        Raises BadParameter for a device that is not there, MissingExtra, WeightsMissing.
        """
        if missing := cls.find_missing():
            what, fix = describe_lacking(missing)
            raise MissingExtra(what, where=cls.spec.id, fix=fix)
        with report_broken_imports(cls.spec.id):
            for module in cls.spec.requires:  # before any weights are fetched
                import_module(module)
            return cls._create(defaults, device, dtype, backend)

    @classmethod
    def _create(cls, defaults: P, device: str, dtype: str, backend: str) -> Annotator[P]:
        from .networks.placement import check_device_name, resolve_placement

        if cls.spec.weights:
            placement = resolve_placement(device, dtype, backend, bf16=cls.spec.bf16)
        else:
            check_device_name(device)
            placement = Placement(why="no network involved")
        annotator = cls(placement, defaults)
        annotator.load(defaults)
        return annotator

    @classmethod
    def find_missing(cls) -> list[str]:
        """Required modules that cannot be found here (nothing is imported)."""
        return find_lacking(cls.spec.requires)

    @abstractmethod
    def run(self, request: Request[P]) -> ControlMap:
        """Make the maps of request.images, exactly request.size large."""

    @classmethod
    def weights_for(cls, params: P) -> tuple[Weight, ...]:
        """Weights these parameters need; a subset of spec.weights."""
        return cls.spec.weights

    def load(self, params: P) -> None:
        """Make sure the weights are here. Raises WeightsMissing, FetchFailed or BadWeights."""
        from .weights.choices import add_choices, find_ready_choices
        from .weights.store import get_store

        store = get_store()
        try:
            store.require_each(self.weights_for(params))
        except WeightsMissing as error:
            ready = find_ready_choices(params, self.fields(), self.weights_for, store.find)
            raise add_choices(error, ready) from error

    def __call__(
        self,
        images: Images | Sequence[Any],
        params: P | None = None,
        *,
        resolution: int = 512,
        masks: Masks | Sequence[Any] | None = None,
    ) -> ControlMap:
        """Make control maps.

        images: anything `images.convert.to_images` takes. resolution: length of the map's shorter side in pixels, 0 for
        the input's own size. masks: true (or above half) where the picture is to be repainted.
        """
        with report_broken_imports(self.spec.id):
            from .execute import annotate_images

            return annotate_images(self, images, params or self.defaults, resolution=resolution, masks=masks)
