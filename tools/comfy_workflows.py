"""Example workflows in the browser's format, and their thumbnails: `make docs` and `make pictures` write them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from tools.comfy_pages import ROOT, inputs_of, nodes  # noqa: E402

import underdrawing  # noqa: E402

FOLDER, PHOTO = ROOT / "example_workflows", ROOT / "examples" / "photos" / "astronaut.png"
PROMPT = "a lighthouse at dusk <lora:my_style:0.8>"
CHECKPOINT, NEGATIVE = "v1-5-pruned-emaonly-fp16.safetensors", "blurry, deformed"
CORE: dict[str, tuple[list[str], list[str]]] = {
    # inputs that take links ("name TYPE"), outputs
    "LoadImage": ([], ["IMAGE", "MASK"]),
    "PreviewImage": (["images IMAGE"], []),
    "SaveImage": (["images IMAGE"], []),
    "CheckpointLoaderSimple": ([], ["MODEL", "CLIP", "VAE"]),
    "CLIPTextEncode": (["clip CLIP", "text STRING"], ["CONDITIONING"]),
    "ControlNetLoader": ([], ["CONTROL_NET"]),
    "ControlNetApplyAdvanced": (
        ["positive CONDITIONING", "negative CONDITIONING", "control_net CONTROL_NET", "image IMAGE", "vae VAE"],
        ["positive", "negative"],
    ),
    "EmptyLatentImage": ([], ["LATENT"]),
    "KSampler": (
        ["model MODEL", "positive CONDITIONING", "negative CONDITIONING", "latent_image LATENT"],
        ["LATENT"],
    ),
    "VAEDecode": (["samples LATENT", "vae VAE"], ["IMAGE"]),
    "PreviewAny": (["source *"], []),
}
SHOWN = {"LoadImage": 340, "PreviewImage": 320, "SaveImage": 340, "CLIPTextEncode": 160, "PreviewAny": 160}
"""Heights of nodes that show a picture or text."""
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN")
OURS = nodes()


class Graph:
    """Nodes placed from left to right, and their links."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.links: list[list[Any]] = []
        self.rows: dict[int, int] = {}

    def add(self, kind: str, column: int, values: list[Any] | None = None, **links: tuple[int, int]) -> int:
        """Place a node; links: input name → (node, output)."""
        number = len(self.nodes) + 1
        top = self.rows.get(column, 60)
        takes, gives = declared(kind)
        values = defaults(kind) if values is None else values
        sockets = max(len(gives), sum(needed(name, sort, links) for name, sort in takes))
        size = [320, SHOWN.get(kind, 50 + 24 * len(values) + 22 * sockets)]
        self.rows[column] = top + size[1] + 70
        entry: dict[str, Any] = {
            "id": number,
            "type": kind,
            "pos": [60 + 380 * column, top],
            "size": size,
            "flags": {},
            "order": number - 1,
            "mode": 0,
            "inputs": [{"name": name, "type": sort, "link": None} for name, sort in takes if needed(name, sort, links)],
            "outputs": [{"name": name, "type": sort, "links": []} for name, sort in gives],
            "properties": {"Node name for S&R": kind},
            "widgets_values": values,
        }
        self.nodes.append(entry)
        for name, origin in links.items():
            self._link(origin, number, name, dict(takes)[name])
        return number

    def _link(self, origin: tuple[int, int], target: int, name: str, sort: str) -> None:
        source, slot = origin
        number = len(self.links) + 1
        inputs = self.nodes[target - 1]["inputs"]
        index = next(at for at, one in enumerate(inputs) if one["name"] == name)
        inputs[index]["link"] = number
        if sort in WIDGETS:
            inputs[index]["widget"] = {"name": name}
        self.nodes[source - 1]["outputs"][slot]["links"].append(number)
        self.links.append([number, source, slot, target, index, sort])

    def data(self) -> dict[str, Any]:
        """The workflow as the browser reads it."""
        return {
            "last_node_id": len(self.nodes),
            "last_link_id": len(self.links),
            "nodes": self.nodes,
            "links": self.links,
            "groups": [],
            "config": {},
            "extra": {},
            "version": 0.4,
        }


def needed(name: str, sort: str, links: dict[str, tuple[int, int]]) -> bool:
    """Whether an input is a socket: every one that is no widget, and widgets that are linked."""
    return sort not in WIDGETS or name in links


def declared(kind: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Names and types of inputs and outputs."""
    if kind in CORE:
        takes, gives = CORE[kind]
        named = {"positive": "CONDITIONING", "negative": "CONDITIONING"}
        pairs = [tuple(text.split()) for text in takes]
        return [(name, sort) for name, sort in pairs], [(name, named.get(name, name)) for name in gives]
    node = OURS[kind]
    takes = [(name, sort) for name, sort, _ in inputs_of(node) if not isinstance(sort, list)]
    names = getattr(node, "RETURN_NAMES", node.RETURN_TYPES)
    return takes, list(zip(names, node.RETURN_TYPES, strict=True))


def defaults(kind: str) -> list[Any]:
    """Values of our node's widgets, by position; the browser adds a choice behind a seed."""
    values: list[Any] = []
    for name, sort, options in inputs_of(OURS[kind]):
        if isinstance(sort, list) or sort in WIDGETS:
            first = sort[0] if isinstance(sort, list) and sort else ""
            values += [options.get("default", first), *(["fixed"] if name == "seed" else [])]
    return values


def sampled(graph: Graph, model: tuple[int, int], conditions: tuple[int, int], vae: tuple[int, int]) -> None:
    """Sampler to saved picture; conditions: node and first of its two outputs."""
    latent = graph.add("EmptyLatentImage", 3, [512, 512, 1])
    node, slot = conditions
    links = {"model": model, "positive": (node, slot), "negative": (node, slot + 1), "latent_image": (latent, 0)}
    sampler = graph.add("KSampler", 4, [1, "fixed", 20, 7.0, "euler", "normal", 1.0], **links)
    decoded = graph.add("VAEDecode", 5, [], samples=(sampler, 0), vae=vae)
    graph.add("SaveImage", 5, ["underdrawing"], images=(decoded, 0))


def controlled(graph: Graph, control: str, image: tuple[int, int], prompt: str) -> None:
    """Checkpoint, prompts and ControlNet around a map."""
    loader = graph.add("CheckpointLoaderSimple", 0, [CHECKPOINT])
    positive = graph.add("CLIPTextEncode", 1, [prompt], clip=(loader, 1))
    negative = graph.add("CLIPTextEncode", 1, [NEGATIVE], clip=(loader, 1))
    net = graph.add("ControlNetLoader", 1, [control])
    graph.add("PreviewImage", 3, [], images=image)
    applied = graph.add(
        "ControlNetApplyAdvanced",
        3,
        [1.0, 0.0, 1.0],
        positive=(positive, 0),
        negative=(negative, 0),
        control_net=(net, 0),
        image=image,
        vae=(loader, 2),
    )
    sampled(graph, (loader, 0), (applied, 0), (loader, 2))


def edges() -> Graph:
    """Edges steer a picture."""
    graph = Graph()
    photo = graph.add("LoadImage", 0, ["example.png", "image"])
    size = graph.add("UnderdrawingPixelPerfect", 1, image=(photo, 0))
    edge = graph.add("UnderdrawingCanny", 2, image=(photo, 0), resolution=(size, 0))
    controlled(graph, "control_v11p_sd15_canny.safetensors", (edge, 0), "a marble statue, museum light")
    return graph


def pose() -> Graph:
    """A pose, mirrored, steers a picture."""
    graph = Graph()
    photo = graph.add("LoadImage", 0, ["example.png", "image"])
    found = graph.add("UnderdrawingPoseMediapipe", 1, image=(photo, 0))
    edited = graph.add("UnderdrawingPosesEdit", 2, ["", True, True, True, True, 1.0, 0.0, 0.0], poses=(found, 1))
    drawn = graph.add("UnderdrawingPosesDraw", 2, poses=(edited, 0))
    controlled(graph, "control_v11p_sd15_openpose.safetensors", (drawn, 0), "a dancer on a stage")
    return graph


def inpaint() -> Graph:
    """What is masked is painted anew."""
    graph = Graph()
    photo = graph.add("LoadImage", 0, ["example.png", "image"])
    marked = graph.add("UnderdrawingInpaint", 2, image=(photo, 0), mask=(photo, 1))
    controlled(graph, "control_v11p_sd15_inpaint.safetensors", (marked, 0), "a bouquet of flowers")
    return graph


def sheet() -> Graph:
    """Every map of one picture; no model is needed."""
    graph = Graph()
    photo = graph.add("LoadImage", 0, ["example.png", "image"])
    drawn = graph.add("UnderdrawingSheet", 1, image=(photo, 0))
    graph.add("PreviewImage", 2, [], images=(drawn, 0))
    return graph


def tags() -> Graph:
    """LoRA tags in the prompt."""
    graph = Graph()
    loader = graph.add("CheckpointLoaderSimple", 0, [CHECKPOINT])
    values = [PROMPT, *defaults("UnderdrawingLoraStack")[1:]]
    stack = graph.add("UnderdrawingLoraStack", 1, values, model=(loader, 0), clip=(loader, 1))
    clip, text, receipt = 1, 2, 3
    positive = graph.add("CLIPTextEncode", 2, [""], clip=(stack, clip), text=(stack, text))
    negative = graph.add("CLIPTextEncode", 2, [NEGATIVE], clip=(stack, clip))
    graph.add("PreviewAny", 2, [], source=(stack, receipt))
    latent = graph.add("EmptyLatentImage", 3, [512, 512, 1])
    links = {"positive": (positive, 0), "negative": (negative, 0), "latent_image": (latent, 0)}
    sampler = graph.add("KSampler", 4, [1, "fixed", 20, 7.0, "euler", "normal", 1.0], model=(stack, 0), **links)
    decoded = graph.add("VAEDecode", 5, [], samples=(sampler, 0), vae=(loader, 2))
    graph.add("SaveImage", 5, ["underdrawing"], images=(decoded, 0))
    return graph


WORKFLOWS = {
    "Edges to picture": (edges, "canny"),
    "Pose, mirrored": (pose, "pose_mediapipe"),
    "Inpaint with ControlNet": (inpaint, "person_mask"),
    "Sheet of all maps": (sheet, "hed"),
    "LoRA tags in the prompt": (tags, ""),
}


def thumbnail(name: str) -> Image.Image:
    """The photo beside its map."""
    with Image.open(PHOTO) as opened:
        photo = opened.convert("RGB").resize((320, 320))
    drawn = underdrawing.annotate(name, photo, resolution=320).images[0]
    return Image.fromarray(np.concatenate([np.asarray(photo), drawn], axis=1))


def card(prompt: str) -> Image.Image:
    """The prompt in large letters, for a workflow that needs models to show anything else."""
    made = Image.new("RGB", (640, 320), (32, 32, 36))
    draw = ImageDraw.Draw(made)
    draw.multiline_text(
        (32, 96), prompt.replace(" <", "\n<"), fill=(240, 240, 240), font=ImageFont.load_default(36), spacing=24
    )
    return made


def files() -> dict[Path, str]:
    """Every workflow and its content."""
    return {
        FOLDER / f"{title}.json": json.dumps(make().data(), indent=1) + "\n" for title, (make, _) in WORKFLOWS.items()
    }


def write_thumbnails() -> None:
    """Write the pictures beside the workflows; their bytes depend on the JPEG encoder."""
    for title, (_, annotator) in WORKFLOWS.items():
        (thumbnail(annotator) if annotator else card(PROMPT)).save(FOLDER / f"{title}.jpg", quality=85)
