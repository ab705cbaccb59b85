"""LoRA tools as nodes: inspect a file, extract one from two models, merge and convert. Inputs are never written."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from ..core.errors import BadParameter, WriteFailed
from . import host
from .inputs import Input
from .lora import answer, choice, files, number, path_of, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..adapters.tools.convert import Naming
    from ..adapters.tools.save import ToolReport
    from ..adapters.tools.svd import RankRule
    from .lora import Answer, Inputs

DTYPES = ["float16", "bfloat16", "float32"]
OVERWRITE: Input = ("BOOLEAN", {"default": False, "tooltip": "Replace a file of that name"})
FILENAME = text("", "Name of the new file in the first loras folder, sub-folder/name too")


class Tool:
    """Base of the tools."""

    TITLE = ""
    CATEGORY = "Underdrawing/LoRA tools"
    RETURN_TYPES = ("STRING", "STRING")
    RETURN_NAMES: tuple[str, ...] = ("lora_name", "report")
    FUNCTION = "run"
    OUTPUT_NODE = True
    DESCRIPTION = ""


class UnderdrawingLoraInspect(Tool):
    """Says what a LoRA file holds: dialect, base model, kinds, ranks, tokens, and which keys are of no use."""

    TITLE = "Inspect LoRA (Underdrawing)"
    DESCRIPTION = " ".join((__doc__ or "").split())
    RETURN_NAMES = ("report", "json")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """The file."""
        return {"required": {"lora_name": files()}}

    def run(self, lora_name: str) -> Answer:
        """Read the file and tell."""
        from ..adapters import load_adapter

        report = load_adapter(path_of(lora_name)).report()
        told = "\n".join(f"{key}: {_short(value)}" for key, value in report.items() if value not in ({}, [], ""))
        return answer(told, report, told, json.dumps(report, indent=2))


class UnderdrawingLoraExtract(Tool):
    """Writes the LoRA that turns one model into another, as nearly as the rank allows; patches on both count."""

    TITLE = "Extract LoRA from two models (Underdrawing)"
    DESCRIPTION = " ".join((__doc__ or "").split())

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Two models, the ranks and the file."""
        return {
            "required": {
                "tuned": ("MODEL", {"tooltip": "What the base is to become"}),
                "base": ("MODEL", {"tooltip": "What the LoRA will be used with"}),
                "filename": FILENAME,
            },
            "optional": {
                "rank": number(32, 1, 4096, "Rank of linear layers and 1x1 kernels"),
                "conv_rank": number(0, 0, 4096, "Rank of 3x3 kernels; 0 leaves them out"),
                "dtype": choice(DTYPES, "Number format of the file"),
                "overwrite": OVERWRITE,
            },
        }

    def run(
        self,
        tuned: Any,
        base: Any,
        filename: str,
        rank: int = 32,
        conv_rank: int = 0,
        dtype: str = "float16",
        overwrite: bool = False,
    ) -> Answer:
        """Decompose the differences."""
        from ..adapters.tools.extract import Extraction, extract_between
        from ..adapters.tools.svd import RankRule
        from .adapting import Live

        how = Extraction(rule=RankRule(rank), conv=RankRule(conv_rank) if conv_rank else None, dtype=dtype)
        path = target("loras", filename, overwrite=overwrite)
        return written(extract_between(Live("tuned", tuned), Live("base", base), path, how, progress=progress()))


class UnderdrawingLoraMerge(Tool):
    """Writes one LoRA that does what several do together. They are named by tags: <lora:a:0.8> <lora:b:0.5:1>."""

    TITLE = "Merge LoRAs (Underdrawing)"
    DESCRIPTION = " ".join((__doc__ or "").split())

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """The sources as tags, how to merge, and the file."""
        return {
            "required": {
                "loras": text("", "Tags of the LoRAs with their strengths", multiline=True),
                "filename": FILENAME,
                "how": choice(["concat", "svd"], "Exact, ranks add up; or cut down to the rank"),
            },
            "optional": {
                "rank": number(32, 1, 4096, "Rank for svd"),
                "dtype": choice(["auto", *DTYPES], "Number format of the file; auto: what keeps the result exact"),
                "overwrite": OVERWRITE,
            },
        }

    def run(
        self, loras: str, filename: str, how: str, rank: int = 32, dtype: str = "auto", overwrite: bool = False
    ) -> Answer:
        """Merge and write."""
        from ..adapters.tools.combine import merge
        from ..adapters.tools.svd import RankRule

        path = target("loras", filename, overwrite=overwrite)
        way = cast("Literal['concat', 'svd']", how)
        rule: RankRule | None = RankRule(rank) if how == "svd" else None
        kept = None if dtype == "auto" else dtype
        return written(merge(_sources(loras), path, how=way, rule=rule, dtype=kept, progress=progress()))


class UnderdrawingLoraConvert(Tool):
    """Writes a LoRA of any dialect under kohya's, diffusers' or PEFT's names with the same effect."""

    TITLE = "Convert LoRA (Underdrawing)"
    DESCRIPTION = " ".join((__doc__ or "").split())

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """The file, the naming and the new file."""
        return {
            "required": {
                "lora_name": files(),
                "filename": FILENAME,
                "naming": choice(["kohya", "diffusers", "peft"], "Names of the keys; peft writes a folder"),
            },
            "optional": {
                "dense_rank": number(0, 0, 4096, "What the naming lacks becomes LoRA of this rank; 0 refuses it"),
                "overwrite": OVERWRITE,
            },
        }

    def run(self, lora_name: str, filename: str, naming: str, dense_rank: int = 0, overwrite: bool = False) -> Answer:
        """Convert and write."""
        from ..adapters import load_adapter
        from ..adapters.tools.convert import convert
        from ..adapters.tools.svd import RankRule

        path = target("loras", filename, overwrite=overwrite, suffix="" if naming == "peft" else ".safetensors")
        dense = RankRule(dense_rank) if dense_rank else None
        adapter = load_adapter(path_of(lora_name))
        return written(convert(adapter, path, cast("Naming", naming), dense=dense, progress=progress()))


NODES = (UnderdrawingLoraInspect, UnderdrawingLoraExtract, UnderdrawingLoraMerge, UnderdrawingLoraConvert)


def target(kind: str, name: str, *, overwrite: bool, suffix: str = ".safetensors") -> Path:
    """Path of a new file in the host's first folder of a kind. Raises BadParameter, WriteFailed."""
    from ..adapters.prompts.library import check_name

    path = Path(host.paths().get_folder_paths(kind)[0]) / f"{check_name(name.strip().removesuffix(suffix))}{suffix}"
    if path.exists() and not overwrite:
        raise WriteFailed("exists already", where=path.name, fix="choose another filename, or switch overwrite on")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def progress() -> Callable[[int, int], None]:
    """What the tools tell of their progress, on the node's bar; the user can cancel between two modules."""
    bars: list[Any] = []

    def tell(done: int, total: int) -> None:
        host.check_interrupted()
        bars[:] = bars or [import_module("comfy.utils").ProgressBar(total)]
        bars[0].update_absolute(done, total)

    return tell


def written(report: ToolReport) -> Answer:
    """What a tool wrote; the name is the one that the loaders list."""
    name = report.path.relative_to(host.paths().get_folder_paths("loras")[0])
    return answer(str(report), report.to_json(), str(name), str(report))


def _sources(loras: str) -> list[Any]:
    from ..adapters import load_adapter
    from ..adapters.prompts.requests import changes_in_time, find_adapter, first_ranks, timeline
    from ..adapters.prompts.tags import read_tags

    calls = read_tags(loras).adapters
    if not calls:
        raise BadParameter("no LoRA is named", where="loras", fix="write tags such as <lora:name:0.8>")
    if odd := [call for call in calls if changes_in_time(call) or call.block_weights]:
        raise BadParameter("a merge has no steps and no block weights", where=str(odd[0]), fix="take them out")
    folders = [Path(folder) for folder in host.paths().get_folder_paths("loras")]
    found = [(first_ranks(load_adapter(find_adapter(c.name, folders)), c.dyn), timeline(c)[0]) for c in calls]
    return [(adapter, unet, encoder) for adapter, (_, encoder, unet) in found]


def _short(value: Any) -> str:
    if isinstance(value, dict) and len(value) > 8:
        return f"{len(value)}, such as {next(iter(value.items()))}"
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
