"""``underdrawing annotate``: its options are those of the annotators named."""

from __future__ import annotations

import inspect
import sys
from itertools import count
from typing import TYPE_CHECKING, Any

import click

from ..core.annotator import Kind
from ..core.errors import UnknownName
from ..core.params import current_values
from ..preprocessors import load_annotator, registry
from .options import FIELD, FieldOption, Named, chosen, options, spell_out_flags
from .shared import GROUPS, Asked, SharedOption, shared_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..core.annotator import Annotator
    from ..core.batch.inputs import Inputs
    from ..core.batch.manifest import Manifest
    from ..core.batch.run import BatchOptions, BatchSummary
    from ..core.registry import AnnotatorType

EVERY = "all"
SHOWN = 20
"""Most refused inputs and notes that are listed at the end; the manifest has them all."""


class AnnotateCommand(click.Command):
    """Adds the options of the annotators that the first argument names, and shows them on the help page."""

    named: tuple[Named, ...] = ()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the annotators first, then parse with their options. Raises UnknownName."""
        shared = [param for param in self.params if not isinstance(param, FieldOption)]
        self.named = tuple(_named(args, shared))
        masks = [Named(name, registry.resolve(name)) for name in _values("--mask-from", args)]
        taken = {spelling for param in shared for spelling in param.opts}
        self.params = [*shared, *options(self.named, taken, masks)]
        return super().parse_args(ctx, spell_out_flags(args, [*self.named, *masks]))

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage with the names given."""
        names = ",".join(f'"{n.name}"' if " " in n.name else n.name for n in self.named[:3]) or "NAME[,NAME...]"
        formatter.write_usage(ctx.command_path, f"{names} INPUT... -o DIR [OPTIONS]")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the annotator does, or what the command does."""
        if len(self.named) != 1:
            super().format_help_text(ctx, formatter)
            return
        annotator = self.named[0].resolved.annotator
        with formatter.indentation():
            for text in _about(annotator):
                formatter.write_paragraph()
                formatter.write_text(text)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the parameters of each annotator, then what all share."""
        for one in self.named:
            own = [p for p in self.get_params(ctx) if isinstance(p, FieldOption) and p.of == one.name]
            _section(ctx, formatter, f"Parameters of {one.name}", own)
        if len(self.named) > 1:
            with formatter.indentation():
                formatter.write_paragraph()
                formatter.write_text("Without the annotator's name and dot, a parameter goes to all that have it.")
        for group in GROUPS:
            of_group = [p for p in self.get_params(ctx) if isinstance(p, SharedOption) and p.group == group]
            _section(ctx, formatter, group, of_group)


def _section(ctx: click.Context, formatter: click.HelpFormatter, title: str, params: Sequence[click.Parameter]) -> None:
    records = [record for param in params if (record := param.get_help_record(ctx)) is not None]
    if records:
        with formatter.section(title):
            formatter.write_dl(records, col_max=34)


def _about(annotator: AnnotatorType) -> Iterator[str]:
    from ..core.diagnostics.availability import explain_unavailable

    spec = annotator.spec
    yield inspect.cleandoc(annotator.__doc__ or spec.title)
    others = ", ".join(dict.fromkeys(alias.name for alias in spec.aliases))
    yield f"Also known as: {others or 'nothing else'}. Kind: {spec.kind.value}. Licence: {spec.licence}."
    if reason := explain_unavailable(annotator):
        yield f"Not available here: {reason}."


def _named(args: Sequence[str], shared: Sequence[click.Parameter]) -> Iterator[Named]:
    """Annotators of the first word that is one; raises UnknownName when no word can be meant."""
    words = list(_positional(args, shared))
    word = next((w for w in words if all(p in registry.names or p == EVERY for p in w.split(","))), "")
    for part in dict.fromkeys((word or "".join(words[:1])).split(",")):
        if part == EVERY:
            yield from (Named(annotator.spec.id, registry.resolve(annotator.spec.id)) for annotator in registry)
        elif part:
            yield Named(part, registry.resolve(part))


def _positional(args: Sequence[str], shared: Sequence[click.Parameter]) -> Iterator[str]:
    """Words that are neither options nor values of shared options."""
    valued = {s for p in shared if isinstance(p, click.Option) and not p.is_flag for s in p.opts}
    words = iter(args)
    for word in words:
        if word in valued:
            next(words, None)
        elif not word.startswith("-"):
            yield word


def _values(option: str, args: Sequence[str]) -> Iterator[str]:
    """Values that an option has among the arguments."""
    for at, word in enumerate(args):
        if word.startswith(f"{option}="):
            yield word.partition("=")[2]
        elif word == option and at + 1 < len(args):
            yield args[at + 1]


def _annotate(**asked: Any) -> None:
    """Turn pictures into control maps.

    NAME is an annotator's id, or a name known from A1111, ComfyUI or controlnet_aux; several are separated by commas
    and share one decode, "all" takes every annotator that can run here and says why the others cannot. INPUT is a file,
    a folder or a quoted glob.

    Maps are written as DIR/<input's stem>.<NAME>.png beside DIR/manifest.jsonl, which records what made them. The same
    command once more makes only what is missing, and inputs are never overwritten.

    Parameters are options: `underdrawing annotate NAME --help` lists those of NAME. With several names a parameter goes
    to all that have it, and --NAME.PARAMETER to one of them. Switches: --safe, --no-safe or --safe true.
    """
    own = {key: value for key, value in asked.items() if key.startswith(FIELD)}
    _run(Asked(**{key: value for key, value in asked.items() if key not in own}), own)


annotate = AnnotateCommand(
    "annotate",
    callback=_annotate,
    params=shared_options(),
    help=_annotate.__doc__,
    short_help="Turn pictures into control maps.",
)


def _run(asked: Asked, own: dict[str, Any]) -> None:
    from ..core.batch.inputs import expand_inputs
    from ..core.batch.manifest import Manifest

    _check_together(asked)
    names = _names(asked)
    manifest = Manifest(asked.output)
    found = expand_inputs(asked.inputs, recursive=asked.recursive, is_map=manifest.is_map, written=manifest.written)
    wanted = _wanted(names, asked, own)
    manifest.repair()
    for option in _idle(asked, wanted):
        click.echo(f"note: {option}", err=True)
    tally = _annotated(asked, wanted, found, manifest)
    _summary(asked, wanted, found, tally)
    sys.exit(3 if tally.refused else 0)


def _annotated(asked: Asked, wanted: BatchOptions, found: Inputs, manifest: Manifest) -> BatchSummary:
    from ..core.batch.run import Batch
    from .progress import CommandLine

    total, done = len(found.sources), count(1)
    try:
        with CommandLine().progress("annotate", total, "pictures") as progress:
            batch = Batch(wanted, found.sources, manifest, lambda: progress(next(done), total))
            sheet = batch.outputs.free(asked.output / "sheet.png") if asked.sheet else None
            tally = batch.run()
    except KeyboardInterrupt:
        click.echo("interrupted: finished maps are kept, the same command goes on from here", err=True)
        sys.exit(130)
    finally:
        manifest.close()
    if sheet:
        from ..core.images.contact_sheet import write_contact_sheet

        rows = [(source.path, manifest.find_maps(source.path)) for source in found.sources]
        click.echo(f"{sheet}{write_contact_sheet(rows, list(wanted.annotators), sheet)}", err=True)
    return tally


def _check_together(asked: Asked) -> None:
    given = click.get_current_context().get_parameter_source
    shapes = {"--resolution": "resolution", "--match-input": "match_input", "--size": "size"}
    said = [option for option, name in shapes.items() if given(name) == click.core.ParameterSource.COMMANDLINE]
    if len(said) > 1:
        raise click.UsageError(f"{' and '.join(said)} exclude each other")
    if asked.size and (asked.values or asked.poses):
        raise click.UsageError("--size fits the picture only; leave --values and --json out, or use --resolution")
    if asked.mask and asked.mask_from:
        raise click.UsageError("--mask and --mask-from exclude each other")


def _idle(asked: Asked, wanted: BatchOptions) -> Iterator[str]:
    """Options that are given but change nothing."""
    given = click.get_current_context().get_parameter_source("mode")
    if given == click.core.ParameterSource.COMMANDLINE and not asked.size:
        yield "--mode says how --size is met, and has no effect without it"
    if (asked.mask or asked.mask_from) and not any(a.spec.takes_mask for a in wanted.annotators.values()):
        yield f"{'--mask' if asked.mask else '--mask-from'} has no effect, none of these annotators takes a mask"
    specs = [annotator.spec for annotator in wanted.annotators.values()]
    if asked.values and all(spec.values == "none" for spec in specs):
        yield "--values has no effect, none of these annotators has values behind its map"
    if asked.poses and not any(spec.kind is Kind.POSE or spec.values == "labels" for spec in specs):
        yield "--json has no effect, none of these annotators finds poses or classes"


def _wanted(names: Sequence[str], asked: Asked, own: dict[str, Any]) -> BatchOptions:
    from ..core.batch.masks import MaskSource
    from ..core.batch.run import BatchOptions

    return BatchOptions(
        annotators={name: _ready(name, asked, own) for name in names},
        resolution=0 if asked.match_input else asked.resolution,
        target=asked.size,
        mode=asked.mode,
        mask=MaskSource(_ready(asked.mask_from, asked, own) if asked.mask_from else asked.mask),
        values=asked.values,
        poses=asked.poses,
        all_frames=asked.all_frames,
        batch=asked.batch,
    )


def _ready(name: str, asked: Asked, own: dict[str, Any]) -> Annotator[Any]:
    resolved = registry.resolve(name)
    values, notes = current_values(resolved.annotator.params_type, chosen(Named(name, resolved), own), where=name)
    for note in notes:
        click.echo(f"note: {note}", err=True)
    return load_annotator(name, device=asked.device, dtype=asked.dtype, backend=asked.backend, **values)


def _names(asked: Asked) -> list[str]:
    names: dict[str, None] = {}
    for part in asked.names.split(","):
        names.update(dict.fromkeys(_every(asked) if part == EVERY else [part]))
    for name in names:
        registry.resolve(name)
    return list(names)


def _every(asked: Asked) -> list[str]:
    """Ids of what can run here; what is left out is said, one line each and their number."""
    names: list[str] = []
    for annotator in registry:
        if reason := _why_not(annotator, asked):
            click.echo(f"{annotator.spec.id} left out: {reason}", err=True)
        else:
            names.append(annotator.spec.id)
    if left_out := len(registry) - len(names):
        click.echo(f"{left_out} of {len(registry)} annotators left out", err=True)
    if not names:
        raise UnknownName("no annotator can run here", fix="run `underdrawing doctor`")
    return names


def _why_not(annotator: AnnotatorType, asked: Asked) -> str:
    from ..core.diagnostics.availability import explain_unavailable

    return explain_unavailable(annotator, has_mask=bool(asked.mask or asked.mask_from))


def _summary(asked: Asked, wanted: BatchOptions, found: Inputs, tally: BatchSummary) -> None:
    _list("refused", tally.refused)
    _list("note", list(dict.fromkeys(tally.notes)))
    if found.left_out:
        click.echo(f"note: {found.left_out} maps of earlier runs among the inputs were left out", err=True)
    for name, annotator in wanted.annotators.items():
        if annotator.spec.weights:
            click.echo(f"{name} ran on {annotator.placement}", err=True)
    kept = f", {tally.reused} kept from an earlier run" if tally.reused else ""
    refused = f", {len(tally.refused)} refused" if tally.refused else ""
    click.echo(f"{tally.written} maps of {len(found.sources)} inputs in {asked.output}{kept}{refused}", err=True)


def _list(word: str, pairs: Sequence[tuple[str, str]]) -> None:
    for path, text in pairs if word == "refused" else pairs[:SHOWN]:
        click.echo(f"{word} {path}: {text}", err=True)
    if word != "refused" and len(pairs) > SHOWN:
        click.echo(f"{len(pairs) - SHOWN} more notes are in the manifest", err=True)
