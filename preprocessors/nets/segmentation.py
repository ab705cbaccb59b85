"""Networks that name every pixel's class, by transformers' modules. Needs torch and transformers.

A network sees the picture at the size it was trained at, whatever the map's: the shorter side at a fixed length, both
sides rounded to multiples of 32 (the coarsest step of all of them), so that its scores cover the picture exactly.
Configurations are those of the published config.json files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import nn

from ...core.annotator import ControlMap
from ...core.errors import BadParameter
from ...core.images.geometry import Size
from ...core.networks.batching import find_chunk_length
from ...core.networks.cache import load_assembled
from ..layers.imagenet import normalise
from ..layers.pretrained import Pretrained, find_model_class
from ..maps import labels, palettes

if TYPE_CHECKING:
    from torch import Tensor

    from ...core.annotator import Request
    from ...core.images.types import Images
    from ...core.networks.placement import Placement
    from ...core.segments import Classes
    from ...core.weights.record import Weight
    from ..maps.labels import Labels
    from ..weights.segmentation_files import Segformer

STEP = 32
TASK = (49406, 518, 10549, 533, 29119, 1550, 49407)
"""CLIP's tokens of "the task is semantic" (start, the, task, is, seman, tic, end), as its byte pair encoding
bpe_simple_vocab_16e6.txt.gz (sha256 924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a) gives them; the
network wants 77 numbers, zeros behind."""
TASK_LENGTH = 77
STAGES = ["stage1", "stage2", "stage3", "stage4"]


class Recipe(NamedTuple):
    """One network: how it is put together, the sides of the picture it was trained with, and what it tells apart.

    traced: whether OpenVINO can follow it (it cannot where masks of every layer steer the next).
    """

    load: Pretrained
    short: int
    longest: int
    classes: Classes
    traced: bool = True


class UperNet(nn.Module):
    """Scores at a quarter of the picture's sides, without the head for training and the enlargement to full size."""

    channels_first = True

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.backbone, self.head = model.backbone, model.decode_head

    def forward(self, x: Tensor) -> Tensor:
        """Scores [B, C, H / 4, W / 4] of pictures [B, 3, H, W]."""
        return self.head(self.backbone(x).feature_maps)


class SegFormer(nn.Module):
    """Scores at a quarter of the picture's sides."""

    channels_first = True

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Scores [B, C, H / 4, W / 4] of pictures [B, 3, H, W]."""
        return self.model(x).logits


class OneFormer(nn.Module):
    """Scores of the task "semantic"."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Scores [B, C, H / 4, W / 4] of pictures [B, 3, H, W]."""
        task = torch.tensor([*TASK, *[0] * (TASK_LENGTH - len(TASK))], device=x.device)
        found = self.model(x, task.expand(len(x), -1))
        return combine_masks(found.transformer_decoder_class_predictions, found.transformer_decoder_mask_predictions)


class Mask2Former(nn.Module):
    """Scores of masks that vote."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.class_predictor = model.model, model.class_predictor

    def forward(self, x: Tensor) -> Tensor:
        """Scores [B, C, H / 4, W / 4] of pictures [B, 3, H, W]."""
        found = self.model(x, output_hidden_states=True)
        last = found.transformer_decoder_intermediate_states[-1]  # with layer norm, unlike the last hidden state
        return combine_masks(self.class_predictor(last.transpose(0, 1)), found.masks_queries_logits[-1])


def combine_masks(classes: Tensor, masks: Tensor) -> Tensor:
    """Scores [B, C, h, w] of queries with classes [B, Q, C + 1], the last of which is none, and masks [B, Q, h, w].

    Masks are averaged before they are enlarged, as in transformers; the original repositories enlarge them first, which
    moves borders by fractions of a pixel and takes many times the work.
    """
    chance = classes.float().softmax(-1)[..., :-1]
    return torch.einsum("bqc,bqhw->bchw", chance, masks.float().sigmoid())


def make_mask2former_class() -> Any:
    """Mask2Former with its classifier, without the losses, which need SciPy."""

    base: Any = find_model_class("Mask2FormerPreTrainedModel")

    class Whole(base):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.model = find_model_class("Mask2FormerModel")(config)
            self.class_predictor = nn.Linear(config.hidden_dim, config.num_labels + 1)
            self.post_init()

    return Whole


def _do_nothing(*_: Any) -> None:
    pass


def make_upernet_class() -> Any:
    """UperNet, which older versions cannot make without its head for training: they want to initialise it."""
    found: Any = find_model_class("UperNetForSemanticSegmentation")
    if "init_weights" not in vars(find_model_class("UperNetPreTrainedModel")):
        return found
    skipped: dict[str, Any] = {"init_weights": _do_nothing, "_init_weights": _do_nothing}  # a file brings all weights
    return type(found.__name__, (found,), skipped)


def build_upernet_config() -> Any:
    """Configuration of openmmlab/upernet-convnext-small."""
    backbone = find_model_class("ConvNextConfig")(
        hidden_sizes=[96, 192, 384, 768], depths=[3, 3, 27, 3], out_features=STAGES
    )
    return find_model_class("UperNetConfig")(
        backbone_config=backbone,
        hidden_size=512,
        use_auxiliary_head=False,
        num_labels=150,
    )


def build_swin_large_config() -> Any:
    """Configuration of the backbone of OneFormer and Mask2Former."""
    return find_model_class("SwinConfig")(
        image_size=384,
        embed_dim=192,
        depths=[2, 2, 18, 2],
        num_heads=[6, 12, 24, 48],
        window_size=12,
        out_features=STAGES,
    )


def build_oneformer_ade20k_config() -> Any:
    """Configuration of shi-labs/oneformer_ade20k_swin_large."""
    return find_model_class("OneFormerConfig")(
        backbone_config=build_swin_large_config(), num_queries=250, num_labels=150
    )


def build_oneformer_coco_config() -> Any:
    """Configuration of shi-labs/oneformer_coco_swin_large."""
    return find_model_class("OneFormerConfig")(
        backbone_config=build_swin_large_config(), num_queries=150, num_labels=133
    )


def build_mask2former_config() -> Any:
    """Configuration of facebook/mask2former-swin-large-ade-semantic."""
    return find_model_class("Mask2FormerConfig")(
        backbone_config=build_swin_large_config(), num_queries=100, num_labels=150
    )


DEPTHS: dict[Segformer, list[int]] = {
    "b0": [2, 2, 2, 2],
    "b1": [2, 2, 2, 2],
    "b2": [3, 4, 6, 3],
    "b3": [3, 4, 18, 3],
    "b4": [3, 8, 27, 3],
    "b5": [3, 6, 40, 3],
}


class SegformerConfig(NamedTuple):
    """Configuration of nvidia/segformer-*-finetuned-ade-*."""

    model: Segformer

    def __call__(self) -> Any:
        """Make it."""
        return find_model_class("SegformerConfig")(
            depths=DEPTHS[self.model],
            hidden_sizes=[32, 64, 160, 256] if self.model == "b0" else [64, 128, 320, 512],
            decoder_hidden_size=256 if self.model in ("b0", "b1") else 768,
            num_labels=150,
        )


UPERNET = Recipe(
    Pretrained(
        "UperNetForSemanticSegmentation",
        build_upernet_config,
        ("auxiliary_head.",),
        wrap=UperNet,
        own=make_upernet_class,
    ),
    512,
    2048,
    palettes.ADE20K,
)
"""Xiao et al. 2018, arXiv:1807.10221, with ConvNeXt, Liu et al. 2022, arXiv:2201.03545; MIT."""

TRAINING = ("criterion.", "model.text_mapper.")
IDLE = ("relative_position_index", "swin.layernorm.")
"""Of Swin: newer versions compute the one and have the other, which a backbone does not use."""
ONEFORMER_ADE20K = Recipe(
    Pretrained("OneFormerModel", build_oneformer_ade20k_config, TRAINING, wrap=OneFormer, idle=IDLE),
    640,
    2560,
    palettes.ADE20K,
    traced=False,
)
"""Jain et al. 2022, arXiv:2211.06220; MIT."""
ONEFORMER_COCO = Recipe(
    Pretrained("OneFormerModel", build_oneformer_coco_config, TRAINING, wrap=OneFormer, idle=IDLE),
    800,
    1333,
    palettes.COCO,
    traced=False,
)
MASK2FORMER = Recipe(
    Pretrained(
        "Mask2FormerForUniversalSegmentation",
        build_mask2former_config,
        TRAINING,
        wrap=Mask2Former,
        own=make_mask2former_class,
        idle=IDLE,
    ),
    640,
    2560,
    palettes.ADE20K,
    traced=False,
)
"""Cheng et al. 2021, arXiv:2112.01527; the model zoo's files are CC-BY-NC-4.0."""


def build_segformer(model: Segformer) -> Recipe:
    """Xie et al. 2021, arXiv:2105.15203; NVIDIA's licence forbids commercial use."""
    load = Pretrained("SegformerForSemanticSegmentation", SegformerConfig(model), wrap=SegFormer)
    return Recipe(load, 640 if model == "b5" else 512, 2048, palettes.ADE20K)


def make_control_map(request: Request[Any], recipe: Recipe, weight: Weight, placement: Placement) -> ControlMap:
    """Map of flat class colours; values are the classes' indices."""
    found = predict_labels(request.images, request.size, recipe, weight, placement)
    segments = tuple(recipe.classes.count(one) for one in found)
    return ControlMap(labels.colour_labels(found, recipe.classes), found.astype(np.float32), segments=segments)


def predict_labels(images: Images, size: Size, recipe: Recipe, weight: Weight, placement: Placement) -> Labels:
    """Index of every pixel's class, at size, of pictures uint8 [B, H, W, 3] of any size.

    Raises BadParameter for the OpenVINO backend where it cannot run the network.
    """
    if placement.backend == "openvino" and not recipe.traced:
        raise BadParameter(f"OpenVINO cannot run {recipe.load.model}", fix="leave the backend at torch")
    network = load_assembled(weight, recipe.load, placement)
    side = compute_input_size(Size(*images.shape[1:3]), recipe.short, recipe.longest)
    length = find_chunk_length(placement, *side)
    parts: list[Labels] = []
    for start in range(0, len(images), length):
        scores = network(preprocess(images[start : start + length], side, placement.device))
        with torch.inference_mode():
            parts.append(labels.find_best_classes(scores.float(), size).cpu().numpy())
    return np.concatenate(parts)


def compute_input_size(size: Size, short: int, longest: int) -> Size:
    """Size at which a network sees a picture: shorter side as taught, unless the longer would be too long."""
    scale = min(short / min(size), longest / max(size))
    height, width = (max(1, round(length * scale / STEP)) * STEP for length in size)
    return Size(height, width)


def preprocess(images: Images, size: Size, device: str = "cpu") -> Tensor:
    """Pictures uint8 [B, H, W, 3] as float32 [B, 3, *size]: Pillow's bilinear resizing, ImageNet's mean and spread."""
    from PIL import Image

    resized = [
        np.asarray(Image.fromarray(image).resize((size.width, size.height), Image.Resampling.BILINEAR))
        for image in images
    ]
    return normalise(torch.from_numpy(np.stack(resized)).to(device).permute(0, 3, 1, 2).float())
