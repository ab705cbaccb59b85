"""Nodes of another pack that belong to no annotator, under its names; they run ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..core.poses.files import from_documents, to_documents
from ..core.poses.model import Pose
from ..preprocessors import registry
from . import inputs
from .annotators import drop_ins as named_drop_ins
from .inputs import OLDER
from .poses import POSES, SavePoses, draw_poses
from .tools import AnyAnnotator, Fit, PixelPerfect, Sheet, first

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ..core.images.geometry import FitMode
    from ..core.registry import AnnotatorType
    from .tools import Inputs

MODES: dict[str, FitMode] = {"Just Resize": "just", "Crop and Resize": "crop", "Resize and Fill": "fill"}
NONE = "none"
RESOLUTION: inputs.Input = ("INT", {"default": 512, "min": 64, "max": 16384, "step": 64})
YES: inputs.Input = ("BOOLEAN", {"default": True})
SIDE: inputs.Input = ("INT", {"default": 512, "min": 64, "max": 8192, "step": 8})
RESIZE_MODE: inputs.Input = (list(MODES), {"default": "Just Resize"})
SIZES = {"image_gen_width": SIDE, "image_gen_height": SIDE, "resize_mode": RESIZE_MODE}


class AnyAnnotatorByPeer:
    """Any annotator under the other pack's names."""

    TITLE = "AIO Aux Preprocessor"
    CATEGORY = OLDER
    RETURN_TYPES, FUNCTION = ("IMAGE",), "execute"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """That pack's inputs; the list has those of its names that are offered here."""
        names: inputs.Input = ([NONE, *by_peer()], {"default": NONE})
        return {"required": {"image": inputs.IMAGE}, "optional": {"preprocessor": names, "resolution": RESOLUTION}}

    @classmethod
    def VALIDATE_INPUTS(cls, preprocessor: str = NONE) -> bool | str:
        """Accept every name that is known; say what to use in place of one that is not offered."""
        return preprocessor == NONE or registry.find_problem(preprocessor) or True

    @classmethod
    def list_runs(cls, stored: dict[str, Any]) -> Iterator[tuple[AnnotatorType, dict[str, Any]]]:
        """What a name runs. Raises UnknownName."""
        name = stored.get("preprocessor", NONE)
        own = by_peer().get(name)
        yield from own.list_runs({}) if own else AnyAnnotator.list_runs({} if name == NONE else {"annotator": name})

    def execute(self, image: Tensor, preprocessor: str = NONE, resolution: int = 512) -> Any:
        """Run with default parameters; none hands the picture on. Raises UnknownName."""
        if preprocessor == NONE:
            return (image,)
        if preprocessor in by_peer():
            return (first(by_peer()[preprocessor]().annotate(image, None, resolution)),)
        return AnyAnnotator().annotate(image, preprocessor, resolution)


class NameByPeer:
    """Chooses one of the other pack's names for its node that takes any."""

    TITLE = "Preprocessor Selector"
    CATEGORY = OLDER
    RETURN_TYPES: ClassVar[tuple[list[str]]]
    RETURN_NAMES, FUNCTION = ("preprocessor",), "get_preprocessor"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """The list of `AnyAnnotatorByPeer`, so that the two fit together."""
        return {"required": {"preprocessor": (cls.RETURN_TYPES[0], {})}}

    @classmethod
    def VALIDATE_INPUTS(cls, preprocessor: str) -> bool | str:
        """As that node."""
        return AnyAnnotatorByPeer.VALIDATE_INPUTS(preprocessor)

    def get_preprocessor(self, preprocessor: str) -> tuple[str]:
        """Hand the name on."""
        return (preprocessor,)


class WrittenByPeer:
    """Writes a line of text into the corner of the first picture."""

    TITLE = "ControlNetAuxSimpleAddText"
    CATEGORY = OLDER
    RETURN_TYPES, FUNCTION = ("IMAGE",), "execute"
    INPUT_TYPES = inputs.fixed({"image": inputs.IMAGE, "text": ("STRING", {"default": ""})})

    def execute(self, image: Tensor, text: str) -> tuple[Tensor]:
        """Write; letters the font lacks become question marks."""
        from ..core.images.contact_sheet import draw_label
        from . import pictures

        return (pictures.image(draw_label(pictures.arrays(image[:1])[0], text)[None]),)


class SheetByPeer(Sheet):
    """The sheet under the other pack's name."""

    TITLE = "Execute All ControlNet Preprocessors"
    CATEGORY = OLDER
    RETURN_NAMES = ("IMAGE",)
    INPUT_TYPES = inputs.fixed({"image": inputs.IMAGE}, {"resolution": RESOLUTION})


class PixelPerfectByPeer:
    """Pixel perfect resolution under the other pack's names."""

    TITLE = "Pixel Perfect Resolution"
    CATEGORY = OLDER
    RETURN_TYPES, RETURN_NAMES, FUNCTION = ("INT",), ("RESOLUTION (INT)",), "execute"
    INPUT_TYPES = inputs.fixed({"original_image": inputs.IMAGE, **SIZES})

    def execute(
        self, original_image: Tensor, image_gen_width: int, image_gen_height: int, resize_mode: str
    ) -> tuple[int]:
        """Compute the resolution."""
        return PixelPerfect().measure(original_image, image_gen_width, image_gen_height, MODES[resize_mode])


class FitByPeer:
    """Fitting of maps under the other pack's names."""

    TITLE = "Enchance And Resize Hint Images"
    CATEGORY = OLDER
    RETURN_TYPES, FUNCTION = ("IMAGE",), "execute"
    INPUT_TYPES = inputs.fixed({"hint_image": inputs.IMAGE, **SIZES})

    def execute(
        self, hint_image: Tensor, image_gen_width: int, image_gen_height: int, resize_mode: str
    ) -> tuple[Tensor]:
        """Fit every map."""
        return Fit().fit(hint_image, image_gen_width, image_gen_height, MODES[resize_mode])


class SizeOfImage:
    """Width and height of a picture."""

    TITLE = "Generation Resolution From Image"
    CATEGORY = OLDER
    RETURN_TYPES, FUNCTION = ("INT", "INT"), "execute"
    RETURN_NAMES = ("IMAGE_GEN_WIDTH (INT)", "IMAGE_GEN_HEIGHT (INT)")
    INPUT_TYPES = inputs.fixed({"image": inputs.IMAGE})

    def execute(self, image: Tensor) -> tuple[int, int]:
        """Read the size."""
        return image.shape[2], image.shape[1]


class SizeOfLatent:
    """Width and height of the picture that a latent of 8 x 8 pixels a cell stands for."""

    TITLE = "Generation Resolution From Latent"
    CATEGORY = OLDER
    RETURN_TYPES, FUNCTION = ("INT", "INT"), "execute"
    RETURN_NAMES = ("IMAGE_GEN_WIDTH (INT)", "IMAGE_GEN_HEIGHT (INT)")
    INPUT_TYPES = inputs.fixed({"latent": ("LATENT", {})})

    def execute(self, latent: dict[str, Tensor]) -> tuple[int, int]:
        """Read the size."""
        return latent["samples"].shape[3] * 8, latent["samples"].shape[2] * 8


class RenderPosesByPeer:
    """Drawing of poses under the other pack's names."""

    TITLE = "Render Pose JSON (Human)"
    CATEGORY = OLDER
    RETURN_TYPES, RETURN_NAMES, FUNCTION = ("IMAGE",), ("IMAGE",), "draw"
    INPUT_TYPES = inputs.fixed({"kps": POSES, "render_body": YES, "render_hand": YES, "render_face": YES})

    def draw(self, kps: Any, render_body: bool, render_hand: bool, render_face: bool) -> tuple[Tensor]:
        """Draw at the poses' own size; animals have a node of their own."""
        people = (Pose(pose.people, pose.width, pose.height) for pose in from_documents(kps))
        return draw_poses(to_documents(people), body=render_body, hands=render_hand, face=render_face)


class SavePosesByPeer(SavePoses):
    """Saving of poses under the other pack's names."""

    TITLE = "Save Pose Keypoints"
    CATEGORY = OLDER
    INPUT_TYPES = inputs.fixed(
        {"pose_kps": POSES, "filename_prefix": ("STRING", {"default": "PoseKeypoint"})}, hidden=inputs.NODE_ID
    )

    def save(self, pose_kps: Any, filename_prefix: str, unique_id: str = "") -> dict[str, Any]:  # type: ignore[override]
        """Write one file for the batch."""
        return super().save(pose_kps, filename_prefix, unique_id)


def by_peer() -> dict[str, Any]:
    """The other pack's names that need no mask."""
    return {name: node for name, node in named_drop_ins().items() if not node.annotator.spec.takes_mask}


def nodes() -> dict[str, type]:
    """None of our own."""
    return {}


def drop_ins() -> dict[str, type]:
    """The other pack's class name → node."""
    NameByPeer.RETURN_TYPES = ([NONE, *by_peer()],)
    return {
        "AIO_Preprocessor": AnyAnnotatorByPeer,
        "ControlNetAuxSimpleAddText": WrittenByPeer,
        "ControlNetPreprocessorSelector": NameByPeer,
        "ExecuteAllControlNetPreprocessors": SheetByPeer,
        "HintImageEnchance": FitByPeer,
        "ImageGenResolutionFromImage": SizeOfImage,
        "ImageGenResolutionFromLatent": SizeOfLatent,
        "PixelPerfectResolution": PixelPerfectByPeer,
        "RenderPeopleKps": RenderPosesByPeer,
        "SavePoseKpsAsJsonFile": SavePosesByPeer,
    }
