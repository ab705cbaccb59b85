"""``underdrawing pose``: poses from files into maps, and into other poses."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
import msgspec

from ..core.errors import BadParameter
from ..core.images.geometry import FitMode, Size
from ..core.poses.names import Sticks
from .shared import size_of
from .shown import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..core.poses.files import PoseFile
    from ..core.poses.model import Pose

file_type = click.Path(path_type=Path)


def shared(command: Callable[..., None]) -> Callable[..., None]:
    """Options of both commands: who and what stays, and the size."""
    size = "Bring everybody onto a canvas of this size."
    how = "How --size is met: stretch, fill and crop, or fit and leave room."
    who = "Who stays, counted from 1, as in 1,3; in this order."
    options = (
        click.option("--people", default="", metavar="N[,N...]", help=who),
        click.option("--body/--no-body", default=True, help="Keep bodies."),
        click.option("--hands/--no-hands", default=True, help="Keep hands."),
        click.option("--face/--no-face", default=True, help="Keep faces."),
        click.option("--animals/--no-animals", default=True, help="Keep animals."),
        click.option("--size", callback=size_of, metavar="WxH", help=size),
        click.option("--mode", type=click.Choice(get_args(FitMode)), default="just", show_default=True, help=how),
    )
    for option in reversed(options):
        command = option(command)
    return command


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The shared options, as click hands them over."""

    people: str
    body: bool
    hands: bool
    face: bool
    animals: bool
    size: Size | None
    mode: FitMode

    def of(self, pose: Pose) -> Pose:
        """Who and what stays."""
        from ..core.poses.edit import chosen, parts

        kept = chosen(pose, self.people)
        return parts(kept, body=self.body, hands=self.hands, face=self.face, animals=self.animals)

    def sized(self, pose: Pose) -> Pose:
        """On the canvas that is asked for."""
        from ..core.poses.edit import retargeted

        return pose if self.size is None else retargeted(pose, self.size, self.mode)


@click.group(short_help="Draw poses from JSON files, and change them.")
def pose() -> None:
    """Draw poses from OpenPose JSON files, and change them.

    Files of any origin are read: with coordinates from 0 to 1 or in pixels, one document or a list, people or animals.
    A map of `pose render` holds its poses and is read too.
    """


@pose.command(short_help="Draw poses.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=file_type)
@click.option("-o", "--output", required=True, type=file_type, metavar="DIR", help="Folder for the maps.")
@click.option(
    "--sticks", type=click.Choice(get_args(Sticks)), default="plain", show_default=True, help="How sticks grow."
)
@click.option("--resolution", type=click.IntRange(0), default=0, metavar="N", help="Shorter side of maps; 0: as posed.")
@shared
def render(files: tuple[Path, ...], output: Path, sticks: Any, resolution: int, **kept: Any) -> None:
    """Draw every pose of the files: DIR/NAME.png, or DIR/NAME_00001.png and so on where a file holds a list.

    A map holds its poses: `underdrawing pose edit NAME.png -o NAME.json` gets them back.
    Exit code 1 when a file cannot be read or written; the others are drawn all the same.
    """
    from ..core.files import atomic_write
    from ..core.images.writing import png_bytes
    from ..core.poses.drawing import draw_pose
    from ..core.poses.files import map_info, read_poses

    asked, taken = msgspec.convert(kept, Kept), _names(files)

    def draw(file: Path) -> None:
        read = read_poses(file)
        if not read.poses:
            click.echo(f"{printable(file)} holds no poses", err=True)
        for path, one in zip(_targets(output, taken[file], read), read.poses, strict=True):
            _check(path, files)
            there = _resized(asked.sized(asked.of(one)), resolution)
            atomic_write(path, png_bytes(draw_pose(there, sticks=sticks), map_info(there, sticks=sticks)))
            click.echo(path)

    _finish(files, draw)


@pose.command(short_help="Change poses.")
@click.argument("file", metavar="FILE", type=file_type)
@click.option("-o", "--output", required=True, type=file_type, metavar="FILE", help="File for the changed poses.")
@click.option("--mirror", is_flag=True, help="Exchange left and right.")
@click.option("--drop", default="", metavar="POINT[,...]", help="Take points away: right_wrist, face.36, 2:left_hand.")
@click.option("--limb", "limbs", multiple=True, metavar="LIMB=F", help="Length of a limb: legs=1.2, left_forearm=.9.")
@click.option("--move", "moves", multiple=True, metavar="POINT=X,Y", help="To X,Y or by +X,-Y pixels: 1:nose=120,80.")
@click.option("--scale", type=click.FloatRange(0.01, 100), default=1.0, metavar="F", help="About the middle.")
@click.option("--right", type=float, default=0.0, metavar="SHARE", help="Move everybody, in widths of the canvas.")
@click.option("--down", type=float, default=0.0, metavar="SHARE", help="Move everybody, in heights of the canvas.")
@click.option("--confidences", is_flag=True, help="Keep them; A1111 and ComfyUI drop points below 1.")
@shared
def edit(
    file: Path, output: Path, mirror: bool, drop: str, scale: float, right: float, down: float, **rest: Any
) -> None:
    """Change the poses of a file and write them, in pixels, to another one.

    In this order: who and what stays, mirror, drop, limbs, move, scale, right and down, size. Points: nose, neck,
    right_shoulder, right_elbow, right_wrist, right_hip, right_knee, right_ankle, right_eye, right_ear, the same with
    left_, face.0 to face.69, left_hand.0 to left_hand.20, right_hand.0 and so on, animal.0 to animal.16; 2: in front
    means only the second person's. Limbs: torso, head, shoulders, arms, upper_arms, forearms, legs, thighs, shins,
    hands, face, and left_ or right_ with the singular.
    """
    from ..core.files import atomic_write
    from ..core.poses import edit
    from ..core.poses import names as pose_names
    from ..core.poses.files import PoseFile, poses_bytes, read_poses

    _check(output, [file])
    limbs, moves = rest.pop("limbs"), [pose_names.move(text) for text in rest.pop("moves")]
    confidences = rest.pop("confidences")
    asked, gone, factors = msgspec.convert(rest, Kept), pose_names.places(drop), dict(map(pose_names.limb, limbs))

    def change(one: Pose) -> Pose:
        kept = asked.of(one)
        turned = edit.dropped(edit.mirrored(kept) if mirror else kept, gone)
        there = edit.put(edit.scaled_limbs(turned, factors), moves)
        return asked.sized(edit.moved(there, scale=scale, right=right, down=down))

    read = read_poses(file)
    changed = PoseFile(tuple(map(change, read.poses)), read.listed)
    atomic_write(output, poses_bytes(changed, confidences=confidences))
    click.echo(output)


def _resized(one: Pose, resolution: int) -> Pose:
    from ..core.images.geometry import target_size
    from ..core.poses.model import scaled

    return scaled(one, target_size(Size(one.height, one.width), resolution))


def _names(files: Iterable[Path]) -> dict[Path, str]:
    """File → start of its maps' names. Raises BadParameter where two would have the same."""
    names: dict[str, Path] = {}
    for file in dict.fromkeys(files):
        other = names.setdefault(file.stem.lower(), file)
        if other != file:
            raise BadParameter(f"{other} and {file} would give the same map", fix="draw them into two folders")
    return {file: file.stem for file in names.values()}


def _targets(folder: Path, stem: str, read: PoseFile) -> Iterator[Path]:
    for number in range(1, len(read.poses) + 1):
        yield folder / (f"{stem}_{number:05}.png" if read.listed else f"{stem}.png")


def _check(target: Path, sources: Iterable[Path]) -> None:
    """Raise BadParameter when a result would take the place of an input."""
    for source in sources:
        if target.exists() and source.exists() and target.samefile(source):
            what = "is the file to read, which stays as it is"
            raise BadParameter(what, where=str(target), fix="choose another name")


def _finish(files: Iterable[Path], draw: Callable[[Path], None]) -> None:
    from .shown import each

    sys.exit(each(dict.fromkeys(files), draw))
