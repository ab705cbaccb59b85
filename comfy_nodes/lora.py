"""Nodes that put LoRAs on a model: every dialect, tags in the prompt, block weights and step ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import host
from .changes import files_state, listed_file
from .inputs import Input, choice, number, text

if TYPE_CHECKING:
    Inputs = dict[str, dict[str, Input]]
    Answer = dict[str, Any]

MODEL: Input = ("MODEL", {"tooltip": "The model given stays as it is; a changed clone comes out"})
CLIP: Input = ("CLIP", {"tooltip": "Text encoders; without them only the UNet is changed"})

ALLOW_MISMATCH = "Go on with a LoRA made for another base model, and apply what fits, even if that is nothing"


def files() -> Input:
    """The files in the loras folders."""
    return choice(host.paths().get_filename_list("loras"), "File in a loras folder")


def answer(report: str, data: Any, *outputs: Any) -> Answer:
    """Outputs, and what the browser is given to show them."""
    return {"ui": {"text": [report], "receipt": [data]}, "result": outputs}


class LoraNode:
    """Base of the loaders: adapters are read once for as long as their files stay the same and are asked for."""

    TITLE = ""
    CATEGORY = "Underdrawing/LoRA"
    RETURN_TYPES: tuple[str, ...] = ("MODEL", "CLIP", "STRING")
    RETURN_NAMES: tuple[str, ...] = ("MODEL", "CLIP", "receipt")
    FUNCTION = "load"
    DESCRIPTION = ""

    def __init__(self) -> None:
        from ..adapters.reading.cache import AdapterCache

        self.cache = AdapterCache()


class UnderdrawingLoraStack(LoraNode):
    """Reads the LoRA tags of a prompt, applies them and gives the prompt without them.

    Tags as in A1111: <lora:name:1>, <lora:name:te:unet>, te=, unet=, dyn=, lbw=, lbwe=, start=, stop=, step= and
    strengths over the steps (0@0,1@0.5). Starts, stops and curves act on what is encoded with the CLIP that comes out.
    """

    TITLE = "LoRA stack from prompt (Underdrawing)"
    DESCRIPTION = " ".join((__doc__ or "").split())
    RETURN_TYPES = ("MODEL", "CLIP", "STRING", "STRING")
    RETURN_NAMES = ("MODEL", "CLIP", "text", "receipt")
    SEARCH_ALIASES = ("lora", "lyco", "lora tag loader", "lbw")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Model, text encoders, prompt; presets, steps and what to do about problems."""
        prompt = text("", "Prompt with <lora:name:strength> tags", multiline=True)
        prompt[1]["dynamicPrompts"] = True
        steps = "Steps of the sampler, for tags that count steps; 0: tags give fractions, such as start=0.25"
        problems = (
            "A tag that cannot be applied stops the run, or is skipped with a line in the receipt; "
            "of a LoRA made for another base model, skip applies what fits"
        )
        return {
            "required": {"model": MODEL, "clip": ("CLIP", {"tooltip": "Text encoders"}), "text": prompt},
            "optional": {
                "presets": text("", "Own presets for lbw=, one NAME:values per line", multiline=True),
                "steps": number(0, 0, 10000, steps),
                "problems": choice(["stop", "skip"], problems),
            },
        }

    @classmethod
    def IS_CHANGED(cls, text: str | None = None, **_: Any) -> str | float:
        """Change with the files that the tags name."""
        from ..adapters.prompts.lora_requests import list_tagged_files

        return files_state(lambda: list_tagged_files(text, host.HOOKS.folders("lora")))

    def load(
        self, model: Any, clip: Any, text: str, presets: str = "", steps: int = 0, problems: str = "stop"
    ) -> Answer:
        """Apply the tags to clones."""
        from ..adapters.prompts.lora_requests import read_requests
        from .adapting import apply

        skip = problems == "skip"
        found = read_requests(
            text, host.HOOKS.folders("lora"), self.cache.read, presets=presets, steps=steps, skip=skip
        )
        model, clip, receipt = apply(
            model, clip, found.requests, steps, allow_empty=skip, way_out="set problems to skip"
        )
        self.cache.forget_unused()
        report = "\n".join([str(receipt), *found.notes])
        data = {"adapters": receipt.to_json(), "notes": found.notes}
        return answer(report, data, model, clip, found.text, report)


class UnderdrawingLoraLoader(LoraNode):
    """Loads any LoRA file we read: every dialect, and the kinds that the core leaves out or computes differently.

    LoRA, LoCon, LoHa, LoKr, DoRA on either axis, GLoRA, IA3, OFT, BOFT, norms, biases and differences in kohya's,
    diffusers', PEFT's, cloneofsimo's and ComfyUI's names. The receipt says what became of every key.
    """

    TITLE = "Load any LoRA (Underdrawing)"
    DESCRIPTION = " ".join((__doc__ or "").split())
    SEARCH_ALIASES = ("lora", "lycoris", "dora", "ia3", "oft")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Model, file and strengths."""
        strengths = {
            "strength_model": number(1.0, -100.0, 100.0, "Strength on the UNet"),
            "strength_clip": number(1.0, -100.0, 100.0, "Strength on the text encoders"),
        }
        optional = {"clip": CLIP, "allow_mismatch": ("BOOLEAN", {"default": False, "tooltip": ALLOW_MISMATCH})}
        return {"required": {"model": MODEL, "lora_name": files(), **strengths}, "optional": optional}

    @classmethod
    def IS_CHANGED(cls, lora_name: str | None = None, **_: Any) -> str | float:
        """Change with the file."""
        return files_state(lambda: listed_file("lora", lora_name))

    def load(
        self,
        model: Any,
        lora_name: str,
        strength_model: float,
        strength_clip: float,
        blocks: str = "",
        clip: Any = None,
        elements: str = "",
        allow_mismatch: bool = False,
    ) -> Answer:
        """Apply the file to clones."""
        from ..adapters.prompts.block_weights import parse_blocks
        from ..adapters.prompts.lora_requests import LoraRequest
        from .adapting import apply

        adapter = self.cache.read(host.require_file("lora", lora_name))
        self.cache.forget_unused()
        weights = parse_blocks(blocks.strip(), elements.strip()) if (blocks + elements).strip() else None
        requests = [LoraRequest(adapter, strength_model, strength_clip, weights)]
        model, clip, receipt = apply(model, clip, requests, 0, allow_empty=allow_mismatch, way_out="set allow_mismatch")
        return answer(str(receipt), {"adapters": receipt.to_json()}, model, clip, str(receipt))


class UnderdrawingLoraBlocks(UnderdrawingLoraLoader):
    """Loads any LoRA with a weight for every block: 12, 17, 20 or 26 values, a preset, a block or a range of blocks."""

    TITLE = "Load LoRA with block weights (Underdrawing)"
    DESCRIPTION = " ".join((__doc__ or "").split())
    SEARCH_ALIASES = ("lbw", "lora block weight")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """As the loader, and the weights."""
        from ..adapters.prompts.block_presets import ELEMENT_PRESETS, PRESETS

        shared = super().INPUT_TYPES()
        blocks = text("ALL", f"Values with commas, a block (IN04), a range (IN04-OUT05), or {', '.join(PRESETS)}")
        elements = text("", f"Weights by the layer's name: {', '.join(ELEMENT_PRESETS)}, or nothing")
        required = shared["required"] | {"blocks": blocks}
        clip, *later = shared["optional"].items()
        return {"required": required, "optional": dict([clip, ("elements", elements), *later])}


def nodes() -> dict[str, type]:
    """Class name → node."""
    return {node.__name__: node for node in (UnderdrawingLoraStack, UnderdrawingLoraLoader, UnderdrawingLoraBlocks)}
