"""Make networks.npz: transformers' own classes, of the version that these files were published for.

    python -m venv old; old/bin/pip install transformers==4.48.3 torch scipy pillow msgspec opencv-python-headless
    PYTHONPATH=.dev:. old/bin/python tests/golden/segmentation/make.py

Random weights under the keys of that version, which are those of the published files, in networks with every layer of
the published ones but few channels (NARROW of tests/support/tiny_segmentation.py). Arrays: `picture` uint8 [64, 96, 3];
`<model>` float32, class scores [C, 16, 24], or `<model>.classes` [Q, C + 1] and `<model>.masks` [Q, 16, 24] of networks
that vote; `index` int64, the buffer of Swin's windows that those files hold; `keys` uint8, JSON: model -> key -> shape
of the narrow network, and "full" -> model -> number of keys and of bytes of the published one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tests.support.tiny_segmentation import NARROW, tensor
from transformers.modeling_utils import no_init_weights

from underdrawing.preprocessors.nets import segmentation

HERE = Path(__file__).parent
RECIPES = {
    "upernet": segmentation.UPERNET,
    "oneformer_ade20k": segmentation.ONEFORMER_ADE20K,
    "mask2former": segmentation.MASK2FORMER,
} | {f"segformer_{model}": segmentation.build_segformer(model) for model in ("b0", "b2", "b5")}
INDEX = "relative_position_index"


def published(recipe: segmentation.Recipe) -> Any:
    """Class of transformers that the file was saved from."""
    return getattr(transformers, recipe.load.model.replace("OneFormerModel", "OneFormerForUniversalSegmentation"))


def whole(config: Any) -> Any:
    """Configuration with the parts that only training needs."""
    if isinstance(config, transformers.UperNetConfig):
        config.use_auxiliary_head = True
        config.auxiliary_in_channels = config.backbone_config.hidden_sizes[2]
    return config


def main() -> None:
    """Run every network once."""
    picture = np.random.RandomState(0).randint(0, 256, (8, 12, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    x = segmentation.normalise(torch.from_numpy(picture).permute(2, 0, 1)[None].float())
    arrays: dict[str, Any] = {"picture": picture}
    keys: dict[str, Any] = {"full": {}}
    for name, recipe in RECIPES.items():
        with no_init_weights():
            full = published(recipe)(whole(recipe.load.config())).state_dict()
        keys["full"][name] = [len(full), sum(t.numel() * t.element_size() for t in full.values())]
        model = published(recipe)(whole(NARROW[recipe.load.model](recipe.load.config()))).eval()
        state = model.state_dict()
        kept = {key: value for key, value in state.items() if key.endswith(INDEX) or key.startswith("criterion.")}
        shapes = {key: tuple(value.shape) for key, value in state.items()}
        assert len(full) == len(shapes), name
        random = {key: tensor(key, shape) for key, shape in shapes.items() if key not in kept}
        model.load_state_dict(random | kept, strict=True)
        keys[name] = {key: list(shape) for key, shape in shapes.items()}
        indices = [value.numpy() for key, value in kept.items() if key.endswith(INDEX)]
        arrays |= {"index": indices[0]} if indices else {}
        with torch.no_grad():
            arrays |= outputs(name, model, x)
    arrays["keys"] = np.frombuffer(json.dumps(keys, separators=(",", ":")).encode(), np.uint8)
    np.savez_compressed(HERE / "networks.npz", allow_pickle=False, **arrays)


def outputs(name: str, model: Any, x: torch.Tensor) -> dict[str, Any]:
    """What the network says before anything is enlarged."""
    if name.startswith("oneformer"):
        task = torch.tensor([[*segmentation.TASK, *[0] * (segmentation.TASK_LENGTH - len(segmentation.TASK))]])
        found = model(x, task)
    elif name == "upernet":
        seen: list[torch.Tensor] = []
        model.decode_head.register_forward_hook(lambda module, given, scores: seen.append(scores))
        model(x)
        return {name: seen[0][0].numpy()}
    else:
        found = model(x)
    if hasattr(found, "logits"):
        return {name: found.logits[0].numpy()}
    classes, masks = found.class_queries_logits[0], found.masks_queries_logits[0]
    return {f"{name}.classes": classes.numpy(), f"{name}.masks": masks.numpy()}


if __name__ == "__main__":
    main()
