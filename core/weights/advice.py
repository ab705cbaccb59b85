"""What a user can do about weights that are not here: on a terminal, and inside a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import settings
from ..command_name import name_command
from ..errors import WeightsMissing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from .record import Weight


def describe_missing(record: Weight, pin: str = "") -> str:
    """Size, licence and, in the words of pin, who vouches for the bytes of a file that is not here."""
    commercial = "yes" if record.commercial else "no"
    terms = f"{record.megabytes}, licence {record.licence}, commercial use: {commercial}{'; ' + pin if pin else ''}"
    return f"weights that are not on this machine ({terms})"


def find_ban() -> str:
    """Name of the variable that forbids every download; empty when none does."""
    return settings.OFFLINE.find_name() if settings.OFFLINE.read() else ""


def build_missing_error(
    record: Weight, pin: str, folder: Path, candidates: Iterable[Path] = (), before: str = ""
) -> WeightsMissing:
    """Error for one file. folder: where it would go. before: start of the advice.

    candidates: paths that may be a file of its name which nothing pins: never used without being asked for.
    """
    candidate = next((f"'{path}'" for path in candidates if path.is_file()), "FILE")
    command = f"{before}run `underdrawing weights fetch {record.id}` (goes to {folder})"
    option = f" --as {record.id}" if record.unpinned else ""
    fix = f"{command}, or `underdrawing weights import {candidate}{option}`"
    return WeightsMissing(
        describe_missing(record, pin),
        where=record.id,
        fix=fix,
        weights=(record.id,),
        found_by_name=not record.unpinned,
    )


def add_missing(error: WeightsMissing, others: Sequence[Weight]) -> WeightsMissing:
    """The same error, which names other files that are missing as well."""
    if not others:
        return error
    sizes = ", ".join(f"{other.id} ({other.megabytes})" for other in others)
    ids = (*error.weights, *(other.id for other in others))
    return WeightsMissing(
        f"{error.what}; missing too: {sizes}",
        where=error.where,
        fix=f"{error.fix}; all at once: `underdrawing weights fetch {' '.join(ids)}`",
        weights=ids,
        found_by_name=error.found_by_name and not any(other.unpinned for other in others),
    )


def advise_in_host(error: WeightsMissing, nodes: Iterable[str], folder: Path) -> WeightsMissing:
    """The same error with what a host's user can do.

    nodes: titles of what fetches in the host. folder: where the host looks for weights, and fetches them to.
    """
    if not error.weights:
        return error
    ids, several = " ".join(error.weights), len(error.weights) > 1
    by_hand = [f"put the file{'s' if several else ''} into {folder}"] if error.found_by_name else []
    if not error.found_by_name:
        by_hand.append(f"declare a file that you have: `underdrawing weights import FILE --as {error.weights[0]}`")
    variable = find_ban() or ("UNDERDRAWING_DOWNLOAD" if settings.DOWNLOAD.read() == "never" else "")
    if variable:
        ban = f"{variable} forbids downloads here: unset it and start the host again"
        return _replace_fix(error, f"{', or '.join(by_hand)}; {ban}, then use {' or '.join(nodes)}")
    fetch = f"`underdrawing weights fetch {ids}` on a terminal (goes to {folder})"
    return _replace_fix(error, f"run {' or '.join(nodes)}; or {fetch}; or {', or '.join(by_hand)}")


def _replace_fix(error: WeightsMissing, fix: str) -> WeightsMissing:
    return WeightsMissing(
        error.what, where=error.where, fix=fix, weights=error.weights, found_by_name=error.found_by_name
    )


def advise_fetch(ids: Iterable[str]) -> str:
    """Command that fetches files, for lists of what is missing."""
    return name_command(f"weights fetch {' '.join(ids)}")
