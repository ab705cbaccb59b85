"""ControlNets of models that denoise with a transformer: which maps each reads, and how it wants them.

Every annotator whose maps fit names them among its consumers. `source` says where a fact should stand, `confirmed` what
of it was read there. All of them read maps as the annotators make them, but for what `wants` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Map = Literal[
    "canny",
    "soft edge",
    "lineart",
    "scribble",
    "depth",
    "normals",
    "pose",
    "mlsd",
    "tile",
    "blur",
    "gray",
    "low quality",
]


class TransformerControl(NamedTuple):
    """A ControlNet, control LoRA or control model.

    name: repository on the hub. base: the model it is for. maps: kind of map → what is chosen for it, or "". wants:
    what its maps must be. source: where that should stand. confirmed: what was read there; the rest is from memory.
    """

    name: str
    base: str
    maps: Mapping[Map, str]
    wants: str
    source: str = "its card"
    confirmed: str = "nothing"


_UNION_MODES: dict[Map, str] = {
    "canny": "mode 0",
    "tile": "mode 1",
    "depth": "mode 2",
    "blur": "mode 3",
    "pose": "mode 4",
    "gray": "mode 5",
    "low quality": "mode 6",
}
_NEAR = "depth: near is white"
_POSE = "pose: OpenPose's colours, with hands and face as DWPose draws them"
CONTROLS = (
    TransformerControl(
        "InstantX/FLUX.1-dev-Controlnet-Union", "Flux.1", _UNION_MODES, f"{_NEAR}; the mode is a number"
    ),
    TransformerControl(
        "Shakker-Labs/FLUX.1-dev-ControlNet-Union-Pro",
        "Flux.1",
        _UNION_MODES,
        f"{_NEAR}; the mode is a number",
        confirmed="maps and modes",
    ),
    TransformerControl(
        "Shakker-Labs/FLUX.1-dev-ControlNet-Union-Pro-2.0",
        "Flux.1",
        {"canny": "", "soft edge": "", "depth": "", "pose": "", "gray": ""},
        f"soft edges: those of Anyline; {_NEAR}; {_POSE}; no mode is given",
        confirmed="maps, and that no mode is given (a copy of its card)",
    ),
    TransformerControl("XLabs-AI/flux-controlnet-canny-v3", "Flux.1", {"canny": ""}, "thresholds 100 and 200"),
    TransformerControl("XLabs-AI/flux-controlnet-depth-v3", "Flux.1", {"depth": ""}, _NEAR),
    TransformerControl("XLabs-AI/flux-controlnet-hed-v3", "Flux.1", {"soft edge": ""}, "soft edges: those of HED"),
    TransformerControl("jasperai/Flux.1-dev-Controlnet-Surface-Normals", "Flux.1", {"normals": ""}, "as `normal_bae`"),
    TransformerControl(
        "black-forest-labs/FLUX.1-Canny-dev (and its LoRA)",
        "Flux.1",
        {"canny": ""},
        "thresholds 50 and 200; the map is encoded by the VAE and joined to the latent, so it has the picture's size",
    ),
    TransformerControl(
        "black-forest-labs/FLUX.1-Depth-dev (and its LoRA)",
        "Flux.1",
        {"depth": ""},
        f"{_NEAR} (Depth Anything); encoded by the VAE and joined to the latent",
    ),
    TransformerControl("stabilityai/stable-diffusion-3.5-large-controlnet-canny", "SD3.5 large", {"canny": ""}, ""),
    TransformerControl(
        "stabilityai/stable-diffusion-3.5-large-controlnet-depth", "SD3.5 large", {"depth": ""}, f"{_NEAR} (DepthFM)"
    ),
    TransformerControl(
        "stabilityai/stable-diffusion-3.5-large-controlnet-blur",
        "SD3.5 large",
        {"blur": ""},
        "for enlarging, in tiles of 128 to 512 pixels",
    ),
    TransformerControl(
        "InstantX/Qwen-Image-ControlNet-Union",
        "Qwen-Image",
        {"canny": "", "soft edge": "", "depth": "", "pose": ""},
        f"soft edges: those of Anyline; {_NEAR}; {_POSE}",
        "its card and its space",
    ),
    TransformerControl(
        "alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union (also 2.1)",
        "Z-Image",
        {"canny": "", "soft edge": "HED", "depth": "", "pose": "", "mlsd": ""},
        f"soft edges: those of HED; {_NEAR}; {_POSE}",
    ),
    TransformerControl(
        "alibaba-pai/Wan2.2-Fun-A14B-Control (also Wan2.1-Fun)",
        "Wan",
        {"canny": "", "depth": "", "pose": "", "mlsd": ""},
        f"a map for every frame; {_NEAR}; {_POSE}",
        "the README of VideoX-Fun",
    ),
    TransformerControl(
        "Wan-AI/Wan2.1-VACE-14B (also 1.3B)",
        "Wan",
        {"depth": "", "pose": "", "scribble": "", "gray": ""},
        f"a map for every frame; {_NEAR}; {_POSE}; scribble: white on black; what is drawn anew is grey 127",
        "its paper, 2503.07598",
    ),
    TransformerControl(
        "kohya-ss/Anima-LLLite",
        "Anima",
        {"lineart": "", "depth": "", "pose": "", "scribble": ""},
        f"lineart: black lines on white, so `invert` the map; {_NEAR} (Depth Anything V2); {_POSE}",
    ),
    TransformerControl("thedeoxen/Krea-2-pose-controlnet", "Krea 2", {"pose": ""}, "OpenPose's colours"),
    TransformerControl("Patil/Krea-2-depth-controlnet", "Krea 2", {"depth": ""}, _NEAR),
)


def list_controls(*maps: Map) -> tuple[str, ...]:
    """What reads maps of any of these kinds, in the words that an annotator's consumers have.

    >>> list_controls("blur")[1]
    'Shakker-Labs/FLUX.1-dev-ControlNet-Union-Pro, mode 3'
    """
    found = [_name(control, kind) for control in CONTROLS for kind in maps if kind in control.maps]
    return tuple(dict.fromkeys(found))


def _name(control: TransformerControl, kind: Map) -> str:
    chosen = control.maps[kind]
    return f"{control.name}, {chosen}" if chosen.startswith("mode") else f"{control.name}"


def is_transformer_control(consumer: str) -> bool:
    """Whether a consumer's name is that of one of these."""
    return any(consumer.startswith(control.name) for control in CONTROLS)
