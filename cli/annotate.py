"""``underdrawing annotate``: its options are those of the annotators named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.batch.annotate_options import GROUPS, AnnotateOptions
from ..core.params import make_params
from ..preprocessors import registry
from ..preprocessors.batches.loading import EVERY
from .options import FIELD, FieldOption, NamedAnnotator, options, pick_values, spell_out_flags
from .progress import CommandLine
from .shared import SharedOption, shared_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class AnnotateCommand(click.Command):
    """Adds the options of the annotators that the first argument names, and shows them on the help page."""

    annotators: tuple[NamedAnnotator, ...] = ()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the annotators first, then parse with their options. Raises UnknownName."""
        shared = [param for param in self.params if not isinstance(param, FieldOption)]
        self.annotators = tuple(_find_annotators(args, shared))
        masks = [NamedAnnotator(name, registry.resolve(name)) for name in _values("--mask-from", args)]
        reserved = {spelling for param in shared for spelling in param.opts}
        self.params = [*shared, *options(self.annotators, reserved, masks)]
        return super().parse_args(ctx, spell_out_flags(args, [*self.annotators, *masks]))

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage with the names given."""
        names = ",".join(f'"{n.name}"' if " " in n.name else n.name for n in self.annotators[:3]) or "NAME[,NAME...]"
        formatter.write_usage(ctx.command_path, f"{names} INPUT... -o DIR [OPTIONS]")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the annotator does, or what the command does."""
        if len(self.annotators) != 1:
            super().format_help_text(ctx, formatter)
            return
        from ..preprocessors.reference.describe import help_paragraphs

        annotator = self.annotators[0].resolved.annotator
        with formatter.indentation():
            for text in help_paragraphs(annotator):
                formatter.write_paragraph()
                formatter.write_text(text)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the parameters of each annotator, then what all share."""
        for one in self.annotators:
            own = [p for p in self.get_params(ctx) if isinstance(p, FieldOption) and p.of == one.name]
            _section(ctx, formatter, f"Parameters of {one.name}", own)
        if len(self.annotators) > 1:
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


def _find_annotators(args: Sequence[str], shared: Sequence[click.Parameter]) -> Iterator[NamedAnnotator]:
    """Annotators of the first word that is one; raises UnknownName when no word can be meant."""
    words = list(_positional(args, shared))
    word = next((w for w in words if all(p in registry.names or p == EVERY for p in w.split(","))), "")
    for part in dict.fromkeys((word or "".join(words[:1])).split(",")):
        if part == EVERY:
            yield from (
                NamedAnnotator(annotator.spec.id, registry.resolve(annotator.spec.id)) for annotator in registry
            )
        elif part:
            yield NamedAnnotator(part, registry.resolve(part))


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


def _annotate(names: str, inputs: tuple[str, ...], output: Path, **given: Any) -> None:
    """Turn pictures into control maps.

    NAME is an annotator's id, or a name known from A1111, ComfyUI or controlnet_aux; several are separated by commas
    and share one decode, "all" takes every annotator that can run here and says why the others cannot. INPUT is a file,
    a folder or a quoted glob; with --video a video, a folder of frames or an animation.

    Maps are written as DIR/<input's stem>.<NAME>.png beside DIR/manifest.jsonl, which records what made them. The same
    command once more makes only what is missing; inputs and files of others are never overwritten.

    Parameters are options: `underdrawing annotate NAME --help` lists those of NAME. With several names a parameter goes
    to all that have it, and --NAME.PARAMETER to one of them. Switches: --safe, --no-safe or --safe true.
    """
    from ..preprocessors.batches.annotate_files import FilesRequest, annotate_files

    own = {key: value for key, value in given.items() if key.startswith(FIELD)}
    options = {key: value for key, value in given.items() if key not in own and value is not None}
    source = click.get_current_context().get_parameter_source
    request = FilesRequest(
        names=names.split(","),
        inputs=inputs,
        folder=output,
        options=make_params(AnnotateOptions, options, where="annotate"),
        values=lambda name: pick_values(NamedAnnotator(name, registry.resolve(name)), own),
        given=frozenset(name for name in options if source(name) == click.core.ParameterSource.COMMANDLINE),
    )
    try:
        summary = annotate_files(request, CommandLine())
    except KeyboardInterrupt:
        click.echo("interrupted: finished maps are kept, the same command goes on from here", err=True)
        sys.exit(130)
    sys.exit(3 if summary.refused else 0)


annotate = AnnotateCommand(
    "annotate",
    callback=_annotate,
    params=shared_options(),
    help=_annotate.__doc__,
    short_help="Turn pictures into control maps.",
)
