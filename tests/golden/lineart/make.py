"""Make lineart.npz: the line networks of others on random weights and a crop of a real photograph.

    pip install --no-deps controlnet-aux==0.0.10 einops; pip install "scikit-image>=0.26"
    git clone https://github.com/Fannovel16/comfyui_controlnet_aux PACK    # e8b689a, v1.1.5
    python tests/golden/lineart/make.py PACK MTEED.pth    # the real weights of AnyLine, a copy is in its repository

controlnet_aux gives lineart, lineart_anime, TEED and the parts of AnyLine; the ComfyUI pack gives the manga network,
and the mask and the blend of AnyLine. The weights are those of support/random_weights.py under the names in the arrays
`<network>_keys`; `<network>_shapes` holds their shapes, filled up with 0. Arrays: `image` uint8 [64, 128, 3]
(which the anime network sees stretched to 256 x 256); `<network>` the network's own output
(uint16, 65535 = 1; manga float32 in its own 0..255; of anime every third pixel), `<network>_map` the detector's map,
`anyline_<n>` the blends of BOUNDS; `mteed` the edge probability on the real weights.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data, morphology
from torch import nn

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT / ".dev"), str(ROOT), str(ROOT / "benchmarks")]

import peer  # noqa: E402  # pyright: ignore[reportMissingImports]
from tests.golden.lineart.weights import weights  # noqa: E402

CROP = (slice(20, 84), slice(150, 278))
Arrays = dict[str, NDArray[Any]]


def main() -> None:
    """Run every reference once."""
    pack, mteed = Path(sys.argv[1]), Path(sys.argv[2])
    photo = data.astronaut()
    made: Arrays = {"image": photo[CROP].copy()}
    with torch.no_grad():
        made |= lineart(made["image"]) | anime(made["image"]) | manga(made["image"], pack) | teed(made["image"], pack)
        made["mteed"] = real(made["image"], mteed)
    np.savez_compressed(HERE / "lineart.npz", allow_pickle=False, **made)


def filled(name: str, module: nn.Module) -> tuple[nn.Module, Arrays]:
    """Give a reference its random weights and say what its keys are."""
    shapes = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    module.load_state_dict(weights(name, shapes), strict=True)
    table = np.array([shape + (0,) * (4 - len(shape)) for shape in shapes.values()], np.int32)
    return module.eval(), {f"{name}_keys": np.array(list(shapes)), f"{name}_shapes": table}


def fraction(values: NDArray[Any]) -> NDArray[np.uint16]:
    """0..1 as 0..65535, good to 8e-6."""
    return np.round(values * 65535).astype(np.uint16)


def planes(image: NDArray[np.uint8]) -> torch.Tensor:
    """[1, 3, H, W] in 0..255."""
    return torch.from_numpy(image).permute(2, 0, 1)[None].float()


def lineart(image: NDArray[np.uint8]) -> Arrays:
    """The pencil drawing, and the detector's call."""
    package = peer.folder("lineart")
    network, keys = filled("lineart", package.Generator(3, 1, 3))
    shown = package.LineartDetector(network, network)(image, **_same_size(image))
    return keys | {"lineart": fraction(network(planes(image) / 255)[0, 0].numpy()), "lineart_map": shown[..., 0]}


def anime(image: NDArray[np.uint8]) -> Arrays:
    """The drawing of the stretched picture, and the detector's call."""
    package = peer.folder("lineart_anime")
    norm = functools.partial(nn.InstanceNorm2d, affine=False, track_running_stats=False)
    network, keys = filled("anime", package.UnetGenerator(3, 1, 8, 64, norm_layer=norm))
    stretched = cv2.resize(image, (256, 256), interpolation=cv2.INTER_CUBIC)
    drawn = network(planes(np.asarray(stretched)) / 127.5 - 1)[0, 0].numpy()
    shown = package.LineartAnimeDetector(network)(image, **_same_size(image))
    return keys | {"anime": fraction((drawn + 1) / 2)[::3, ::3], "anime_map": shown[..., 0]}


def manga(image: NDArray[np.uint8], pack: Path) -> Arrays:
    """The drawing, 0..255 and beyond."""
    path = pack / "src" / "custom_controlnet_aux" / "manga_line" / "model_torch.py"
    spec = importlib.util.spec_from_file_location("manga_line", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network, keys = filled("manga", module.res_skip())
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return keys | {"manga": network(torch.from_numpy(grey)[None, None].float())[0, 0].numpy()}


def teed(image: NDArray[np.uint8], pack: Path) -> Arrays:
    """Edge probability, the detector's calls, and AnyLine's layers and blend as fractions."""
    network, keys = filled("teed", peer.folder("teed.ted").TED())
    detector = peer.folder("teed").TEEDdetector(network)
    side = min(image.shape[:2])
    maps = {f"teed_map_{n}": detector(image, detect_resolution=side, safe_steps=n, output_type="np") for n in (0, 2, 5)}
    standard = peer.folder("lineart_standard").LineartStandardDetector()
    lines = standard(image, guassian_sigma=2, intensity_threshold=3, output_type="np", detect_resolution=side)
    soft = maps["teed_map_2"]
    blends = {f"anyline_{n}": fraction(blend(soft, lines, pack, *each)) for n, each in enumerate(BOUNDS)}
    return keys | {"teed": probability(network, image)} | {name: map_[..., 0] for name, map_ in (maps | blends).items()}


def probability(network: nn.Module, image: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Of an edge, as the detector has it before it goes to 8 bits."""
    logits = torch.cat(network(planes(image)), 1)[0].numpy().astype(np.float64)
    return fraction(1 / (1 + np.exp(-logits.mean(0))))


def real(image: NDArray[np.uint8], path: Path) -> NDArray[np.uint16]:
    """Edge probability on weights from a file."""
    network = peer.folder("teed.ted").TED()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=True)
    return probability(network.eval(), image)


BOUNDS = ((0.0, 1.0, 36, 1), (0.1, 0.7, 36, 1), (0.0, 1.0, 100, 1), (0.05, 1.0, 100, 2))
"""Lower and upper bound, smallest object and connectivity of each AnyLine blend."""


def blend(soft: NDArray[np.uint8], lines: NDArray[np.uint8], pack: Path, *bounds: Any) -> NDArray[np.float32]:
    """Go through the pack's node after its two detectors."""
    low, high, smallest, connectivity = bounds
    tree = ast.parse((pack / "node_wrappers" / "anyline.py").read_text())
    tree.body = [one for one in tree.body if isinstance(one, ast.FunctionDef)]
    theirs: dict[str, Any] = {"np": np}
    exec(compile(tree, "anyline", "exec"), theirs)  # noqa: S102
    above = theirs["get_intensity_mask"](lines.astype(np.float32) / 255, lower_bound=low, upper_bound=high)
    # min_size=smallest in the pack; scikit-image 0.26 takes that name for max_size and drops one size more than before
    clean = morphology.remove_small_objects(above.astype(bool), max_size=smallest - 1, connectivity=connectivity)
    return theirs["combine_layers"](soft.astype(np.float32) / 255, above * clean)


def _same_size(image: NDArray[np.uint8]) -> dict[str, Any]:
    side = min(image.shape[:2])
    return {"detect_resolution": side, "image_resolution": side, "output_type": "np"}


if __name__ == "__main__":
    main()
