"""``underdrawing lora``: LoRA-family files, looked into and turned into others."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .lora_lines import lines, text_lines
from .progress import steps
from .shown import each

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..adapters.adapter import Adapter
    from ..adapters.tools.combine import How
    from ..adapters.tools.convert import Naming
    from ..adapters.tools.save import ToolReport
    from ..adapters.tools.svd import RankRule

    Command = Callable[..., None]

T = TypeVar("T")

NAMINGS = ("kohya", "peft", "diffusers")
DTYPES = ("float16", "bfloat16", "float32")
MOST_RANK = 100_000
file_type = click.Path(path_type=Path)
files_argument = click.argument("files", metavar="FILE...", nargs=-1, required=True, type=file_type)
file_argument = click.argument("file", metavar="FILE", type=file_type)
output_option = click.option("-o", "--output", required=True, type=file_type, metavar="OUT", help="A new .safetensors.")
json_option = click.option("--json", "as_json", is_flag=True, help="Say what was done as a JSON object.")


def _finite(_: click.Context, __: click.Parameter, values: Any) -> Any:
    if not all(math.isfinite(value) for value in (values if isinstance(values, tuple) else (values or 0,))):
        raise click.BadParameter("write a finite number")
    return values


def _strength_options(command: Command) -> Command:
    unet = "Strength, for all files or once per file, in their order. Default: 1."
    encoder = "Strength on the text encoders, likewise. Default: as --strength."
    for name, text in (("--te-strength", encoder), ("--strength", unet)):
        command = click.option(name, type=float, multiple=True, callback=_finite, metavar="X", help=text)(command)
    return command


def _rank_options(command: Command) -> Command:
    shares = {
        "frobenius": "Keep ranks until they make up this share of the norm, 0 to 1.",
        "cumulative": "Keep ranks until they make up this share of the sum of singular values, 0 to 1.",
        "ratio": "Keep ranks whose singular value is at least the largest divided by X.",
    }
    for name, text in shares.items():
        command = click.option(f"--{name}", type=float, callback=_finite, metavar="X", help=text)(command)
    most = "Ranks to keep, or the most of them when a share is given."
    return click.option("--rank", type=click.IntRange(1, MOST_RANK), metavar="N", help=most)(command)


def _dtype_option(default: str | None, help_: str) -> Callable[[Command], Command]:
    return click.option(
        "--dtype", type=click.Choice(DTYPES), default=default, show_default=default is not None, help=help_
    )


def rule(rank: int | None, ratio: float | None, cumulative: float | None, frobenius: float | None) -> RankRule | None:
    """The rule that the rank options ask for; None when none was given. Raises click.UsageError."""
    from ..adapters.tools.svd import RankRule

    if sum(share is not None for share in (ratio, cumulative, frobenius)) > 1:
        raise click.UsageError("give one of --ratio, --cumulative and --frobenius")
    most = rank or MOST_RANK
    if ratio is not None:
        return RankRule(most, "ratio", ratio)
    if cumulative is not None:
        return RankRule(most, "cumulative", cumulative)
    if frobenius is not None:
        return RankRule(most, "frobenius", frobenius)
    return RankRule(rank) if rank else None


def strong(
    files: Sequence[Path], strengths: Sequence[float], encoder_strengths: Sequence[float]
) -> list[tuple[Adapter, float, float]]:
    """Load adapters with the strengths meant for them. Raises click.UsageError for a wrong number of strengths."""
    from ..adapters import load_adapter

    unet = _spread(strengths or (1.0,), len(files), "--strength")
    encoder = _spread(encoder_strengths or unet, len(files), "--te-strength")
    return [(load_adapter(file), unet[at], encoder[at]) for at, file in enumerate(files)]


def _spread(values: Sequence[T], count: int, option: str) -> Sequence[T]:
    if len(values) not in (1, count):
        raise click.UsageError(
            f"{option} was given {len(values)} times for {count} files: once for all, or once for each"
        )
    return values if len(values) == count else [values[0]] * count


def _say(report: ToolReport, as_json: bool) -> None:
    click.echo(json.dumps(report.to_json(), indent=2) if as_json else "\n".join(text_lines(report)))


@click.group(short_help="Inspect, bake, extract, merge, resize and convert LoRA-family files.")
def lora() -> None:
    """Look into LoRA-family files of any dialect and type, and make others of them.

    FILE is .safetensors, .pt, .ckpt or .bin, or a folder that PEFT wrote. Results are new .safetensors files; inputs
    are never written.
    """


@lora.command(short_help="Say what files hold.")
@files_argument
@click.option("--json", "as_json", is_flag=True, help="As a JSON object; a list of them for several files.")
def inspect(files: tuple[Path, ...], as_json: bool) -> None:
    """Say what files hold: dialect, base model, algorithms, ranks, embeddings, and which keys are of no use.

    Exit code 1 when a file cannot be read.
    """
    from ..adapters import load_adapter

    reports: list[dict[str, Any]] = []
    code = each(files, lambda file: reports.append(load_adapter(file).report()))
    if as_json and reports:
        click.echo(json.dumps(reports if len(files) > 1 else reports[0], indent=2))
    elif not as_json:
        for report in reports:
            click.echo("\n".join(lines(report)))
    sys.exit(code)


@lora.command(short_help="Write a checkpoint with adapters in it.")
@click.argument("checkpoint", metavar="CHECKPOINT", type=file_type)
@files_argument
@output_option
@_strength_options
@click.option("--blocks", multiple=True, metavar="LIST", help="Block weights or preset, as in lbw=, likewise.")
@click.option("--sequential", is_flag=True, help="Each adapter sees what the one before left, as in A1111 and ComfyUI.")
@json_option
def bake(
    checkpoint: Path,
    files: tuple[Path, ...],
    output: Path,
    strength: tuple[float, ...],
    te_strength: tuple[float, ...],
    blocks: tuple[str, ...],
    sequential: bool,
    as_json: bool,
) -> None:
    """Write CHECKPOINT with adapters worked into its weights; provenance is kept in its metadata."""
    from ..adapters.applying.bake import bake as baked
    from ..adapters.prompts.block_weights import parse_blocks

    weights = _spread([parse_blocks(text) for text in blocks] or [None], len(files), "--blocks")
    wishes = [(*source, weights[at]) for at, source in enumerate(strong(files, strength, te_strength))]
    with steps("bake") as progress:
        receipt = baked(checkpoint, wishes, output, order="sequential" if sequential else "base", progress=progress)
    told = {"file": str(output), "adapters": receipt.to_json()}
    click.echo(json.dumps(told, indent=2) if as_json else "\n".join(text_lines(receipt)))


@lora.command(short_help="Make a LoRA of two checkpoints.")
@click.argument("tuned", metavar="TUNED", type=file_type)
@click.argument("base", metavar="BASE", type=file_type)
@output_option
@_rank_options
@click.option(
    "--conv-rank", type=click.IntRange(1, MOST_RANK), metavar="N", help="Ranks of 3x3 kernels. Default: none."
)
@click.option("--clamp", type=click.FloatRange(0.5, 1), metavar="Q", help="Cut factors off at this quantile, as kohya.")
@click.option("--no-text-encoder", is_flag=True, help="Leave text encoders out.")
@_dtype_option("float16", "Number format of OUT.")
@json_option
def extract(
    tuned: Path,
    base: Path,
    output: Path,
    rank: int | None,
    ratio: float | None,
    cumulative: float | None,
    frobenius: float | None,
    conv_rank: int | None,
    clamp: float | None,
    no_text_encoder: bool,
    dtype: str,
    as_json: bool,
) -> None:
    """Write the LoRA that turns the checkpoint BASE into TUNED as nearly as its rank allows. Default: rank 32."""
    from ..adapters.tools.extract import Extraction
    from ..adapters.tools.extract import extract as extracted
    from ..adapters.tools.svd import RankRule

    how = Extraction(
        rule=rule(rank, ratio, cumulative, frobenius) or RankRule(32),
        conv=RankRule(conv_rank) if conv_rank else None,
        clamp=clamp,
        encoders=not no_text_encoder,
        dtype=dtype,
    )
    with steps("extract") as progress:
        report = extracted(tuned, base, output, how, progress=progress)
    _say(report, as_json)


@lora.command(short_help="Make one adapter of several.")
@files_argument
@output_option
@_strength_options
@click.option(
    "--how",
    type=click.Choice(["concat", "svd"]),
    help="concat: exact, ranks add up; svd: cut down by the rank options. Default: svd if one of those is given.",
)
@_rank_options
@_dtype_option(None, "Number format of OUT. Default: what keeps the result exact.")
@json_option
def merge(
    files: tuple[Path, ...],
    output: Path,
    strength: tuple[float, ...],
    te_strength: tuple[float, ...],
    how: How | None,
    rank: int | None,
    ratio: float | None,
    cumulative: float | None,
    frobenius: float | None,
    dtype: str | None,
    as_json: bool,
) -> None:
    """Write one adapter that does what all FILEs do together, each at its strength."""
    from ..adapters.tools.combine import merge as merged

    wanted = rule(rank, ratio, cumulative, frobenius)
    chosen: How = how or ("svd" if wanted else "concat")
    sources = strong(files, strength, te_strength)
    with steps("merge") as progress:
        report = merged(sources, output, how=chosen, rule=wanted, dtype=dtype, progress=progress)
    _say(report, as_json)


@lora.command(short_help="Write an adapter with fewer ranks.")
@file_argument
@output_option
@_rank_options
@_dtype_option("float16", "Number format of OUT.")
@json_option
def resize(
    file: Path,
    output: Path,
    rank: int | None,
    ratio: float | None,
    cumulative: float | None,
    frobenius: float | None,
    dtype: str,
    as_json: bool,
) -> None:
    """Write an adapter with fewer ranks."""
    from ..adapters import load_adapter
    from ..adapters.tools.combine import resize as resized

    wanted = rule(rank, ratio, cumulative, frobenius)
    if wanted is None:
        raise click.UsageError("say how many ranks to keep: --rank, --ratio, --cumulative or --frobenius")
    with steps("resize") as progress:
        report = resized(load_adapter(file), output, wanted, dtype=dtype, progress=progress)
    _say(report, as_json)


@lora.command(short_help="Write an adapter under other programs' names.")
@file_argument
@click.option("-o", "--output", required=True, type=file_type, metavar="OUT", help="A .safetensors; for peft a folder.")
@click.option(
    "--to", "naming", type=click.Choice(NAMINGS), default="kohya", show_default=True, help="Names of the keys."
)
@click.option(
    "--dense", type=click.IntRange(1, MOST_RANK), metavar="N", help="Make what a naming lacks a LoRA of rank N."
)
@json_option
def convert(file: Path, output: Path, naming: Naming, dense: int | None, as_json: bool) -> None:
    """Write an adapter of any dialect under other names with the same effect; tokens go to files beside it."""
    from ..adapters import load_adapter
    from ..adapters.tools.convert import convert as converted
    from ..adapters.tools.svd import RankRule

    with steps("convert") as progress:
        wanted = RankRule(dense) if dense else None
        report = converted(load_adapter(file), output, naming, dense=wanted, progress=progress)
    _say(report, as_json)
