"""The command group; commands are imported when they are used."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from io import StringIO, TextIOWrapper

import click

from .. import __version__
from ..core.command_name import name_command
from ..core.errors import BadParameter, UnderdrawingError, UnknownName
from ..core.imports import report_broken_imports
from ..core.report_text import escape_controls
from ..core.settings import describe_variables

COMMANDS = {
    "annotate": ("annotate", "Turn pictures into control maps."),
    "annotators": ("listing", "List annotators, their parameters, names and licences."),
    "doctor": ("doctor", "Look for what would make things fail, and say how to fix it."),
    "install": ("install", "Install the nodes into ComfyUI, the extension into A1111 or Forge."),
    "uninstall": ("install", "Remove them again."),
    "docs": ("listing", "Write the reference as Markdown."),
}
WIDTH = 100


class Group(click.Group):
    """Knows the commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the help page: annotators, operations, the rest."""
        from ..core.operation_registry import operations

        first, rest = list(COMMANDS)[:2], list(COMMANDS)[2:]
        return [*first, *operations().groups("cli"), *rest]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            from .operations import command_group

            return command_group(cmd_name)
        return getattr(import_module(f".{COMMANDS[cmd_name][0]}", __package__), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their one-line help."""
        from ..core.operation_registry import group_help

        with formatter.section("Commands"):
            names = self.list_commands(ctx)
            formatter.write_dl([(name, COMMANDS[name][1] if name in COMMANDS else group_help(name)) for name in names])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples, environment variables and exit codes."""
        edges, other = _examples()
        examples = (
            ("underdrawing annotators", "what there is"),
            (f"underdrawing annotate {edges} photo.jpg -o maps", "one map, maps/photo." + f"{edges}.png"),
            (
                f"underdrawing annotate {edges},{other} shots -o maps --resolution 768 --sheet",
                "a folder, two maps each",
            ),
            (f"underdrawing annotate {edges} --help", "its parameters"),
            ("underdrawing lora inspect style.safetensors", "what is in a LoRA file, and what of it can be used"),
            ('underdrawing prompt explain "a (cat:1.2)"', "how A1111 and ComfyUI read a prompt"),
            ("underdrawing train lora pictures -o mine.safetensors --steps 100", "a LoRA of a folder of pictures"),
            ("underdrawing doctor", "when something does not work"),
        )
        with formatter.section("Examples"):
            for command, meaning in examples:
                formatter.write(f"  {command}\n      {meaning}\n")
        for title, rows in (("Environment", describe_variables()), ("Exit codes", EXIT_CODES)):
            with formatter.section(title):
                formatter.write_dl(rows)


EXIT_CODES = (
    ("0", "done"),
    ("1", "failed, or something was found wrong (verify, doctor)"),
    ("2", "wrong usage"),
    ("3", "done, but some inputs were refused: see stderr and manifest.jsonl"),
    ("130", "interrupted"),
)


def _examples() -> tuple[str, str]:
    """Two annotators to show commands with: the first of edges, and the first of soft edges."""
    from ..core.annotator import Kind
    from ..preprocessors import registry

    ids = {annotator.spec.kind: annotator.spec.id for annotator in reversed(list(registry))}
    return ids.get(Kind.EDGES, "NAME"), ids.get(Kind.SOFT_EDGES, "NAME")


@click.command(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH})
@click.version_option(__version__, prog_name="underdrawing")
def app() -> None:
    """Underdrawing turns photographs into the control maps that steer ControlNet.

    Edges, soft edges, lines, scribbles, poses, faces, masks and more, under the names and with the parameters known
    from A1111, ComfyUI and controlnet_aux. It also reads, merges and converts LoRA-family adapters, embeddings and
    checkpoints, generates pictures from prompts and maps, and trains LoRAs, embeddings and ControlNets.
    """


def _replace_closed_streams() -> None:
    """Put the null device in the place of streams that were closed before we started: nothing depends on them."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open until the end


def run() -> None:
    """Run the command line; what a user can fix becomes one clear line on stderr and an exit code."""
    _replace_closed_streams()
    if isinstance(sys.stdout, TextIOWrapper):  # a name or sign that the terminal cannot show must not stop us
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with report_broken_imports():
            code = app.main(prog_name=name_command(), standalone_mode=False)
    except click.ClickException as error:
        shown = StringIO()
        error.show(file=shown)
        click.echo(escape_controls(shown.getvalue(), keep="\n"), err=True, nl=False)
        code = error.exit_code
    except click.Abort as error:  # Ctrl-C, the end of input at a question, or a signal whose number is told
        click.echo("interrupted", err=True)
        code = 128 + next((n for n in getattr(error.__cause__, "args", ()) if isinstance(n, int)), 2)
    except UnderdrawingError as error:
        click.echo(f"underdrawing: {error}", err=True)
        code = 2 if isinstance(error, (BadParameter, UnknownName)) else 1
    except BrokenPipeError:  # the reader of our output has gone, as in `| head`
        sys.stderr.close()
        code = 1
    except OSError as error:
        where = escape_controls(error.filename or "system")
        fix = "Next: check the path and its permissions, and the free space"
        click.echo(f"underdrawing: {where}: {error.strerror or error}. {fix}", err=True)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
