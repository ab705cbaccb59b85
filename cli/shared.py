"""Options of ``underdrawing annotate`` that every annotator shares, in the groups of its help page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core.batch.annotate_options import GROUPS, AnnotateOptions
from ..core.errors import BadParameter
from ..core.images.geometry import parse_size
from ..core.params import describe_fields
from .options import NamedPath, field_type

if TYPE_CHECKING:
    from ..core.params import Field

METAVARS = {"size": "WxH", "mask": "PATH", "mask_from": "NAME", "device": "DEVICE"}
"""Of texts; numbers have N."""


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


def shared_options() -> list[click.Parameter]:
    """Arguments and options, new ones at each call."""
    fields = {field.name: field for field in describe_fields(AnnotateOptions)}
    folder = NamedPath(file_okay=False, path_type=Path)
    text = "Folder for the maps; created if missing."
    first = next(iter(GROUPS))
    return [
        click.Argument(["names"], metavar="NAME[,NAME...]"),
        click.Argument(["inputs"], metavar="INPUT...", nargs=-1, required=True),
        SharedOption(first, ["-o", "--output"], required=True, type=folder, metavar="DIR", help=text),
        *(_option(group, fields[name]) for group, names in GROUPS.items() for name in names),
    ]


def _option(group: str, field: Field) -> SharedOption:
    spelling = f"--{field.name.replace('_', '-')}"
    if field.kind == "bool":
        return SharedOption(group, [spelling, field.name], is_flag=True, help=field.help)
    kind: Any = NamedPath(exists=True) if field.name == "mask" else field_type(field)
    metavar = "|".join(field.choices) or METAVARS.get(field.name, "N")
    shown = field.default != ""
    return SharedOption(
        group,
        [spelling, field.name],
        type=kind,
        default=field.default if shown else None,
        show_default=shown,
        metavar=metavar,
        callback=_check_size if field.name == "size" else None,
        help=field.help,
    )


def _check_size(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    try:
        parse_size(text or "")
    except BadParameter as error:
        raise click.BadParameter(f"{error.what}; {error.fix}") from error
    return text
