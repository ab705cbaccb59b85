"""ControlNets of models that denoise with a transformer: which maps each reads, and how it wants them.

Every annotator whose maps fit names them among its consumers. `source` says where that was read; what was not is named
in `unconfirmed`. All of them read maps as the annotators make them, but for what `wants` says.
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
    what its maps must be. source: where maps and conventions were read. unconfirmed: what of them stands nowhere there.
    """

    name: str
    base: str
    maps: Mapping[Map, str]
    wants: str
    source: str
    unconfirmed: str = ""


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
_FUN = f"Canny thresholds 100 and 200; {_NEAR} (Zoe); {_POSE}"
_FUN_CODE = "README and code of its makers (VideoX-Fun)"
_FLUX_CODE = "code of its makers (flux)"
_X_FLUX = "code of its makers (x-flux)"
_SD35 = "the card of all three, in a copy"
CONTROLS = (
    TransformerControl(
        "InstantX/FLUX.1-dev-Controlnet-Union",
        "Flux.1",
        _UNION_MODES,
        f"{_NEAR}; the mode is a number; gray works poorly by its card",
        "its card, in a copy",
        "near is white",
    ),
    TransformerControl(
        "Shakker-Labs/FLUX.1-dev-ControlNet-Union-Pro",
        "Flux.1",
        _UNION_MODES,
        f"{_NEAR} (Depth Anything V2); the mode is a number",
        "its card, and a copy of its space",
    ),
    TransformerControl(
        "Shakker-Labs/FLUX.1-dev-ControlNet-Union-Pro-2.0",
        "Flux.1",
        {"canny": "", "soft edge": "", "depth": "", "pose": "", "gray": ""},
        f"soft edges: those of Anyline; {_NEAR} (Depth Anything V2); {_POSE}; no mode is given",
        "its card and its space, in copies",
    ),
    TransformerControl("XLabs-AI/flux-controlnet-canny-v3", "Flux.1", {"canny": ""}, "thresholds 100 and 200", _X_FLUX),
    TransformerControl("XLabs-AI/flux-controlnet-depth-v3", "Flux.1", {"depth": ""}, f"{_NEAR} (MiDaS)", _X_FLUX),
    TransformerControl(
        "XLabs-AI/flux-controlnet-hed-v3", "Flux.1", {"soft edge": ""}, "soft edges: those of HED", _X_FLUX
    ),
    TransformerControl(
        "jasperai/Flux.1-dev-Controlnet-Surface-Normals", "Flux.1", {"normals": ""}, "as `normal_bae`", "its card"
    ),
    TransformerControl(
        "black-forest-labs/FLUX.1-Canny-dev (and its LoRA)",
        "Flux.1",
        {"canny": ""},
        "thresholds 50 and 200; the map is encoded by the VAE and joined to the latent, so it has the picture's size",
        _FLUX_CODE,
    ),
    TransformerControl(
        "black-forest-labs/FLUX.1-Depth-dev (and its LoRA)",
        "Flux.1",
        {"depth": ""},
        f"{_NEAR} (Depth Anything, large); encoded by the VAE and joined to the latent",
        _FLUX_CODE,
    ),
    TransformerControl(
        "stabilityai/stable-diffusion-3.5-large-controlnet-canny", "SD3.5 large", {"canny": ""}, "", _SD35
    ),
    TransformerControl(
        "stabilityai/stable-diffusion-3.5-large-controlnet-depth",
        "SD3.5 large",
        {"depth": ""},
        f"{_NEAR} (DepthFM)",
        _SD35,
        "near is white",
    ),
    TransformerControl(
        "stabilityai/stable-diffusion-3.5-large-controlnet-blur",
        "SD3.5 large",
        {"blur": ""},
        "for enlarging, in tiles of 128 to 512 pixels",
        _SD35,
    ),
    TransformerControl(
        "InstantX/Qwen-Image-ControlNet-Union",
        "Qwen-Image",
        {"canny": "", "soft edge": "", "depth": "", "pose": ""},
        f"soft edges: those of Anyline; {_NEAR} (MiDaS); {_POSE}",
        "its card and its space",
    ),
    TransformerControl(
        "alibaba-pai/Qwen-Image-2512-Fun-Controlnet-Union",
        "Qwen-Image",
        {"canny": "", "depth": "", "pose": "", "mlsd": "", "scribble": ""},
        _FUN,
        _FUN_CODE,
        "colours of scribble",
    ),
    TransformerControl(
        "alibaba-pai/FLUX.2-dev-Fun-Controlnet-Union",
        "Flux.2",
        {"canny": "", "depth": "", "pose": "", "mlsd": ""},
        _FUN,
        _FUN_CODE,
    ),
    TransformerControl(
        "alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union",
        "Z-Image",
        {"canny": "", "soft edge": "HED", "depth": "", "pose": "", "mlsd": ""},
        f"soft edges: those of HED; {_FUN}",
        f"its card; {_FUN_CODE}",
    ),
    TransformerControl(
        "alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union-2.1",
        "Z-Image",
        {"canny": "", "soft edge": "HED", "depth": "", "pose": "", "mlsd": "", "scribble": "", "gray": ""},
        f"soft edges: those of HED; {_FUN}; scribble by the files 2601 and 2602, gray by 2602",
        f"its card, in a copy; {_FUN_CODE}",
        "colours of scribble",
    ),
    TransformerControl(
        "alibaba-pai/Wan2.2-Fun-A14B-Control (also Wan2.1-Fun)",
        "Wan",
        {"canny": "", "depth": "", "pose": "", "mlsd": ""},
        f"a map for every frame; {_FUN}",
        _FUN_CODE,
    ),
    TransformerControl(
        "Wan-AI/Wan2.1-VACE-14B (also 1.3B)",
        "Wan",
        {"depth": "", "pose": "", "lineart": "its scribble", "gray": ""},
        f"a map for every frame; {_NEAR} (MiDaS); pose: body and face without hands, as DWPose draws them; what it "
        "calls scribble is a line drawing, black on white, so `invert` the map; what is drawn anew is grey 127",
        "user guide and code of its makers (VACE)",
    ),
    TransformerControl(
        "kohya-ss/Anima-LLLite",
        "Anima",
        {"lineart": "", "depth": "", "pose": "", "scribble": ""},
        f"lineart: black lines on white, so `invert` the map; {_NEAR} (Depth Anything V2); {_POSE}; scribble: made of "
        "HED's or PiDiNet's edges; these four files are for Anima Preview3, and weaker on Anima 1.0",
        "its card, and a copy of the one for Preview3",
        "colours of scribble",
    ),
    TransformerControl(
        "thedeoxen/Krea-2-pose-controlnet", "Krea 2", {"pose": ""}, "as OpenPose or DWPose draws it", "its card"
    ),
    TransformerControl(
        "Patil/Krea-2-depth-controlnet", "Krea 2", {"depth": ""}, f"{_NEAR} (Depth Anything V2)", "its card"
    ),
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
