"""``underdrawing install`` and ``uninstall``."""

from __future__ import annotations

from pathlib import Path

import click

from ..core.installation import HOSTS, choose_way, install_into, list_next_steps, uninstall_from
from .options import NamedPath

host_argument = click.argument("host", type=click.Choice(tuple(HOSTS)))
path_argument = click.argument("path", type=NamedPath(path_type=Path))


@click.command(short_help="Install the nodes into ComfyUI, the extension into A1111 or Forge.")
@host_argument
@path_argument
@click.option("--link", is_flag=True, help="Link this folder, for development.")
@click.option("--copy", is_flag=True, help="Copy everything, so that the host needs no installed package.")
def install(host: str, path: Path, link: bool, copy: bool) -> None:
    """Install our nodes or our extension into the HOST at PATH, its folder or that of its extensions.

    By default a small folder is written that imports the installed package: the host's Python must have it. Nothing
    else of the host is touched; its weights stay where they are.
    """
    how = choose_way(link=link, copy=copy)
    place = install_into(host, path, how)
    click.echo(f"{place}: {'linked' if how == 'link' else 'written'}. Start {HOSTS[host].title} again.")
    for step in list_next_steps(host, place, how):
        click.echo(step)


@click.command(short_help="Remove them again.")
@host_argument
@path_argument
def uninstall(host: str, path: Path) -> None:
    """Remove what install put into the HOST at PATH; files of yours in our folder stay."""
    place, left = uninstall_from(host, path)
    click.echo(f"{place}: {'removed' if not left else 'removed but for files that are yours or changed:'}")
    for name in left:
        click.echo(f"  {name}")
