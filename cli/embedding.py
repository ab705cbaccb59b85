"""``underdrawing embedding``: Textual Inversion files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .shown import each, listed, printable, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..adapters.embeddings.load import Layout

LAYOUTS = ("auto", "kohya", "diffusers", "sdxl")
file_type = click.Path(path_type=Path)


@click.group(short_help="Inspect and convert Textual Inversion embeddings.")
def embedding() -> None:
    """Inspect and convert embeddings: A1111, diffusers, kohya, SDXL pairs, PNG and WebP pictures, LoRA files."""


@embedding.command(short_help="Say what files hold, and which base models they fit.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=file_type)
@click.option("--json", "as_json", is_flag=True, help="As a JSON object; a list of them for several files.")
def inspect(files: tuple[Path, ...], as_json: bool) -> None:
    """Say what embedding files hold: tokens, vectors, widths, and which base models they fit.

    Exit code 1 when a file cannot be read.
    """
    from ..adapters.embeddings.load import inspect_embedding

    reports: list[dict[str, Any]] = []
    code = each(files, lambda file: reports.append(inspect_embedding(file)))
    if as_json and reports:
        click.echo(json.dumps(reports if len(files) > 1 else reports[0], indent=2))
    elif not as_json:
        for report in reports:
            click.echo("\n".join(_lines(report)))
    sys.exit(code)


def _lines(report: dict[str, Any]) -> Iterator[str]:
    yield printable(report["file"])
    checkpoint = report["sd_checkpoint_name"] or report["sd_checkpoint"]
    verdicts = [f"{name}: {verdict}" for name, verdict in report["verdicts"].items() if verdict != "fits"]
    yield from rows(
        [
            ("format", report["format"]),
            ("tokens", [_token(token, parts) for token, parts in list(report["tokens"].items())[:20]]),
            ("fits", listed(report["base_models"]) or "none of the known base models"),
            ("does not fit", verdicts),
            ("name inside", printable(report["name"] or "")),
            ("steps", "" if report["step"] is None else str(report["step"])),
            ("trained on", printable(checkpoint or "")),
            ("finite", "yes" if report["finite"] else "NO: it holds NaN or infinite numbers"),
            ("note", [printable(note, 200) for note in report["notes"][:8]]),
        ]
    )


def _token(token: str, parts: dict[str, list[int]]) -> str:
    return f"{printable(token)}: " + ", ".join(f"{part} {count} x {width}" for part, (count, width) in parts.items())


@embedding.command(short_help="Write an embedding anew, also as a picture.")
@click.argument("source", metavar="FILE", type=file_type)
@click.argument("target", metavar="OUT", type=file_type)
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="auto",
    show_default=True,
    help="Keys of a .safetensors file: kohya emb_params, diffusers {token: ...}, sdxl clip_l and clip_g.",
)
@click.option("--token", metavar="NAME", help="Only this token of a file with several.")
@click.option("--json", "as_json", is_flag=True, help="Say what was written as a JSON object.")
def convert(source: Path, target: Path, layout: Layout, token: str | None, as_json: bool) -> None:
    """Write an embedding anew: OUT ends in .safetensors, or in .png or .webp for A1111's pictures.

    Vectors are written as float32. Pickles (.pt, .bin) are not written: they can run code, and every host reads
    .safetensors.
    """
    from ..adapters.embeddings.load import inspect_embedding, load_embedding, read_embedding, save_embedding
    from ..core.errors import BadParameter

    if target.exists() and source.exists() and target.samefile(source):
        raise BadParameter("is the file to read, which stays as it is", where=str(target), fix="choose another name")
    tokens = load_embedding(source)
    if token is not None:
        if token not in tokens:
            raise BadParameter(f"no token {token!r}", where=str(source), fix=f"it holds {listed(tokens)}")
        tokens = {token: tokens[token]}
    step = read_embedding(source).told.get("step")
    save_embedding(target, tokens, layout, step=step if isinstance(step, int) else None)
    written = inspect_embedding(target)
    click.echo(json.dumps(written, indent=2) if as_json else "\n".join(_lines(written)))
    if target.suffix.lower() == ".safetensors" and list(tokens) != [target.stem]:
        called = f"A1111 and ComfyUI call it {printable(target.stem)}, after the file's name"
        click.echo(f"{called}; in {printable(source.name)} it is {listed(tokens)}", err=True)
