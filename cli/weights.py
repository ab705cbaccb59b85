"""``underdrawing weights``: the files that networks need."""

from __future__ import annotations

import difflib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ..core import settings
from ..core.errors import BadParameter, UnderdrawingError, UnknownName, WeightsMissing
from ..core.weights.store import ABSENT, store
from ..preprocessors import registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..core.weights.record import Weight
    from ..core.weights.store import Verdict

ids_argument = click.argument("ids", metavar="[ID...]", nargs=-1)
json_option = click.option("--json", "as_json", is_flag=True, help="As a JSON list.")


@click.group(short_help="List, fetch, verify, find and import weights files.")
def weights() -> None:
    """List, fetch, verify, find and import the files that networks need.

    Some come with this package. The others are fetched by `underdrawing weights fetch`, which is your consent, or used
    in place where ComfyUI, A1111, Forge or the Hugging Face cache keep them already.
    """


def records() -> dict[str, Weight]:
    """Every weight of every annotator, by id."""
    return {weight.id: weight for annotator in registry for weight in annotator.spec.weights}


def users(weight: Weight) -> list[str]:
    """Ids of the annotators that need a weight."""
    return [annotator.spec.id for annotator in registry if weight in annotator.spec.weights]


def picked(ids: Iterable[str]) -> list[Weight]:
    """Find weights by id or by their file's name. Raises UnknownName."""
    every = records()
    found: dict[str, Weight] = {}
    for name in ids:
        named = [every[name]] if name in every else [w for w in every.values() if Path(w.file).name == name]
        if len(named) != 1:
            near = difflib.get_close_matches(name, every, n=3) if not named else [w.id for w in named]
            fix = f"did you mean {' or '.join(near)}?" if near else "see `underdrawing weights list`"
            raise UnknownName(f"there is no weights file called {name!r}", fix=fix)
        found[named[0].id] = named[0]
    return list(found.values())


def terms(weight: Weight) -> str:
    """Size and licence in words."""
    use = "commercial use allowed" if weight.commercial else "not for commercial use"
    pinned = store().pinned(weight)
    size = store().shown(weight).megabytes
    return f"{size}, {weight.licence}, {use}{'; ' + pinned if pinned else ''}"


@weights.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List weights files: size, licence, which annotators need them, and where they are."""
    entries = [_entry(weight) for weight in records().values()]
    if as_json:
        click.echo(json.dumps(entries, indent=2))
        return
    for entry in entries:
        weight = records()[entry["id"]]
        click.echo(f"{weight.id}\n    {terms(weight)}; for {', '.join(entry['annotators'])}")
        click.echo(f"    {entry['path'] or ABSENT + ': underdrawing weights fetch ' + weight.id}")


def _entry(weight: Weight) -> dict[str, Any]:
    path = store().find(weight)
    place = {"available": path is not None, "path": str(path) if path else None, "pinned": store().pinned(weight)}
    return {"id": weight.id, **msgspec.to_builtins(store().shown(weight)), "annotators": users(weight), **place}


@weights.command()
@ids_argument
@click.option("--annotator", "names", metavar="NAME", multiple=True, help="What an annotator needs, by id or alias.")
@click.option("--all", "every", is_flag=True, help="What any annotator needs.")
@click.option("--commercial-ok", is_flag=True, help="Leave out what may not be used commercially.")
def fetch(ids: tuple[str, ...], names: tuple[str, ...], every: bool, commercial_ok: bool) -> None:
    """Fetch weights files; sizes and licences are shown first.

    Calling this is consent. UNDERDRAWING_DOWNLOAD=never and HF_HUB_OFFLINE=1 still forbid it. Downloads go on where
    they stopped, and only a file with the right sha256 gets its name. Where this project pins no hash, the one that the
    hub states is pinned on this first use.
    """
    wanted = {weight.id: weight for weight in [*picked(ids), *_needed(names, every=every)]}
    if not wanted:
        raise click.UsageError("say what to fetch: an ID of `underdrawing weights list`, --annotator NAME or --all")
    left_out = [weight for weight in wanted.values() if commercial_ok and not weight.commercial]
    for weight in left_out:
        click.echo(f"{weight.id} left out: {terms(weight)}", err=True)
    failures = [error for weight in wanted.values() if weight not in left_out for error in _fetched(weight)]
    for error in failures:
        click.echo(f"underdrawing: {error}", err=True)
    sys.exit(1 if failures else 0)


def _needed(names: Iterable[str], *, every: bool) -> list[Weight]:
    """Weights of annotators; an alias needs those of its presets, an id all that its parameters can choose."""
    needed = list(records().values()) if every else []
    for name in names:
        resolved = registry.resolve(name)
        annotator, presets = resolved.annotator, resolved.presets
        needed += annotator.weights_for(annotator.params(**presets)) if presets else annotator.spec.weights
    return needed


def _fetched(weight: Weight) -> list[UnderdrawingError]:
    """Fetch one file and say where it lies; returns what went wrong."""
    from .progress import download

    try:
        path = store().find(weight)
        if path is None:
            _check_consent(weight)
            click.echo(f"{weight.id}: {terms(weight)}", err=True)
            with download(store().shown(weight).size or None) as progress:
                path = store().fetch(weight, progress)
    except BadParameter:
        raise
    except UnderdrawingError as error:
        return [error]
    click.echo(path)
    return []


def _check_consent(weight: Weight) -> None:
    if settings.DOWNLOAD.read() == "never":
        what = f"is not on this machine ({terms(weight)}), and UNDERDRAWING_DOWNLOAD=never forbids fetching it"
        raise WeightsMissing(
            what, where=weight.id, fix="unset UNDERDRAWING_DOWNLOAD, or `underdrawing weights import FILE`"
        )


@weights.command()
@ids_argument
@json_option
def verify(ids: tuple[str, ...], as_json: bool) -> None:
    """Hash weights files and compare with their records.

    Without ID all are looked at, and those that were never fetched do not count. Exit code 1 when one does not match.
    """
    checked = [(weight, store().verify(weight)) for weight in (picked(ids) or records().values())]
    failed = [weight for weight, verdict in checked if not verdict.ok and (ids or verdict.reason != ABSENT)]
    if as_json:
        click.echo(json.dumps([_verdict(*pair) for pair in checked], indent=2))
    else:
        for weight, verdict in checked:
            state = "ok" if verdict.ok else "WRONG" if weight in failed else "absent"
            click.echo(f"{state:<7}{weight.id}  {verdict.path or ''}  {verdict.reason}")
    sys.exit(1 if failed else 0)


def _verdict(weight: Weight, verdict: Verdict) -> dict[str, Any]:
    path = str(verdict.path) if verdict.path else None
    return {"id": weight.id, "ok": verdict.ok, "path": path, "reason": verdict.reason}


@weights.command()
@ids_argument
def where(ids: tuple[str, ...]) -> None:
    """Print the folder for fetched weights; with ID every path at which a file is looked for, in order."""
    if not ids:
        click.echo(store().cache)
    for weight in picked(ids):
        found = store().find(weight)
        click.echo(f"{weight.id}: {found or ABSENT}")
        for place in store().where(weight):
            state = "used" if place.path == found else "there" if place.path.is_file() else "-"
            click.echo(f"  {state:<6}{place.source:<10}{place.path}")


@weights.command("import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--as", "declared", metavar="ID", help="Say which weights FILE is, where this project pins no hash.")
def import_(files: Sequence[Path], declared: str | None) -> None:
    """Copy weights files that you have into the cache; they are recognised by their bytes, whatever their names.

    Some weights are not pinned by this project. With --as ID you declare that FILE is one of them: its bytes are pinned
    as of now, and what the file holds is still checked when it is loaded.
    """
    if declared and len(files) != 1:
        raise click.UsageError("--as ID says what one FILE is")
    named, failed = picked([declared] if declared else []), False
    for file in files:
        try:
            weight = store().import_as(file, named[0]) if named else store().import_file(file, records().values())
            click.echo(f"{file}: {weight.id}")
        except UnderdrawingError as error:
            failed = True
            click.echo(f"underdrawing: {error}", err=True)
    sys.exit(1 if failed else 0)
