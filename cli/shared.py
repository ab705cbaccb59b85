"""Options of ``underdrawing annotate`` that every annotator shares, in the groups of its help page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import click
import msgspec

from ..core.images.geometry import FitMode, Size
from ..core.networks.placement import Backend, DType

OUTPUT, SIZE, MASK, RUNNING = "Output", "Size of the maps", "Masks, for annotators that take one", "How it runs"
GROUPS = (OUTPUT, SIZE, MASK, RUNNING)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The shared options, as click hands them over."""

    names: str
    inputs: tuple[str, ...]
    output: Path
    resolution: int
    match_input: bool
    size: Size | None
    mode: FitMode
    device: str
    dtype: DType
    backend: Backend
    batch: int
    mask: Path | None
    mask_from: str | None
    values: bool
    poses: bool
    all_frames: bool
    recursive: bool
    sheet: bool


class SharedOption(click.Option):
    """Option that knows its group on the help page."""

    def __init__(self, group: str, declarations: list[str], **settings: Any) -> None:
        super().__init__(declarations, **settings)
        self.group = group

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Spellings as click shows them, a plain word for the value, and the default at the end."""
        names = ", ".join(sorted(self.opts, key=len))
        value = "" if self.is_flag else f" {self.metavar or 'TEXT'}"
        default = f"  [default: {self.default}]" if self.show_default else ""
        return f"{names}{value}", f"{self.help}{default}"


def size_of(_: click.Context, __: click.Parameter, text: str | None) -> Size | None:
    """Read WIDTHxHEIGHT."""
    if text is None:
        return None
    if not re.fullmatch(r"[1-9]\d{0,5}x[1-9]\d{0,5}", text):
        raise click.BadParameter("write it as WIDTHxHEIGHT, for example 768x512")
    width, height = text.split("x")
    return Size(int(height), int(width))


def _choice(literal: Any) -> dict[str, Any]:
    values = get_args(literal)
    return {"type": click.Choice(values), "metavar": "|".join(values), "show_default": True}


def shared_options() -> list[click.Parameter]:
    """Arguments and options, new ones at each call."""
    return [
        click.Argument(["names"], metavar="NAME[,NAME...]"),
        click.Argument(["inputs"], metavar="INPUT...", nargs=-1, required=True),
        *_outputs(),
        *_sizes(),
        *_masks(),
        *_running(),
    ]


def _outputs() -> list[click.Parameter]:
    def option(*declarations: str, **settings: Any) -> click.Parameter:
        return SharedOption(OUTPUT, list(declarations), **settings)

    folder = click.Path(file_okay=False, path_type=Path)
    return [
        option(
            "-o", "--output", required=True, type=folder, metavar="DIR", help="Folder for the maps; made if need be."
        ),
        option("--values", is_flag=True, help="Also write raw values: .npy, and .values.png with 16 bit."),
        option("--json", "poses", is_flag=True, help="Also write poses (OpenPose) or classes as JSON."),
        option("--sheet", is_flag=True, help="Also write a labelled contact sheet, sheet.png."),
    ]


def _sizes() -> list[click.Parameter]:
    def option(*declarations: str, **settings: Any) -> click.Parameter:
        return SharedOption(SIZE, list(declarations), **settings)

    shorter = "Length of a map's shorter side in pixels; 0: as the input."
    exact = "Size of the generation, WIDTHxHEIGHT: maps get the detail it can show and are fitted to it."
    how = "How --size is met: stretch (A1111's Just Resize), fill and crop, or fit and pad."
    length = click.IntRange(0)
    return [
        option("--resolution", type=length, metavar="N", default=512, show_default=True, help=shorter),
        option("--match-input", is_flag=True, help="Maps exactly as large as their inputs."),
        option("--size", callback=size_of, metavar="WxH", help=exact),
        option("--mode", default="crop", help=how, **_choice(FitMode)),
    ]


def _masks() -> list[click.Parameter]:
    def option(*declarations: str, **settings: Any) -> click.Parameter:
        return SharedOption(MASK, list(declarations), **settings)

    file = (
        "White where to repaint: a picture for all inputs, or a folder with the inputs' names. Default: transparency."
    )
    path = click.Path(exists=True, path_type=Path)
    return [
        option("--mask", type=path, metavar="PATH", help=file),
        option("--mask-from", metavar="NAME", help="Take the map of another annotator as the mask."),
    ]


def _running() -> list[click.Parameter]:
    def option(*declarations: str, **settings: Any) -> click.Parameter:
        return SharedOption(RUNNING, list(declarations), **settings)

    together = "Neighbouring inputs of one size that go through together."
    frames = "All frames of animations and all pages, not just the first."
    number = click.IntRange(1)
    where = "auto, cpu, cuda, cuda:1 or mps."
    return [
        option("--recursive", is_flag=True, help="Descend into folders, and keep their structure below DIR."),
        option("--all-frames", is_flag=True, help=frames),
        option("--device", default="auto", metavar="DEVICE", show_default=True, help=where),
        option("--dtype", default="auto", help="Number format of networks.", **_choice(DType)),
        option("--backend", default="torch", help="What runs networks.", **_choice(Backend)),
        option("--batch", type=number, metavar="N", default=1, show_default=True, help=together),
    ]
