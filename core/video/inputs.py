"""Which clips a user means: video files, folders of frames, and globs of either."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from ..batch.globs import MAGIC, expand_glob
from ..batch.inputs import MAP, OTHER, SUFFIXES
from ..batch.walk import walk_folder
from ..errors import BadImage, BadParameter
from ..images.marks import has_mark
from ..images.opening import URL
from ..images.videos import VIDEO_SUFFIXES
from .animations import AnimationClip, is_animation
from .files import VideoClip
from .folders import FolderClip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..batch.walk import Walk
    from .types import Clip


@dataclass(frozen=True)
class ClipInput:
    """A clip to be read. frames: of a folder, none for one file. problem: why it is refused without a look.

    note: what the user should know of how it was found.
    """

    path: Path
    frames: tuple[Path, ...] = ()
    note: str = ""
    problem: str = ""
    fix: str = ""

    def make_clip(self, rate: float) -> Clip:
        """The clip; rate: frames in a second where it does not say it. Raises BadImage."""
        if self.problem:
            raise BadImage(self.problem, where=str(self.path), fix=self.fix)
        if self.frames:
            return FolderClip(self.path, self.frames, rate)
        is_picture = self.path.suffix.lower() in SUFFIXES
        return AnimationClip(self.path, rate) if is_picture else VideoClip(self.path, rate)

    @property
    def is_video(self) -> bool:
        """Whether it is a video file, and neither a folder of frames nor an animation."""
        return not self.frames and self.path.suffix.lower() not in SUFFIXES

    @property
    def plain_name(self) -> str:
        """Name of the folder, or of the file without its ending."""
        name = self.path.absolute().name or "clip"
        return name if self.frames else Path(name).stem


@dataclass
class _Finder:
    recursive: bool
    is_map: Callable[[Path], bool]
    clips: list[ClipInput] = field(default_factory=list[ClipInput])
    outright: dict[Path, list[Path]] = field(default_factory=lambda: defaultdict(list))

    def add(self, text: str) -> None:
        path = Path(text)
        if URL.match(text):
            self._refuse(path, "this is a URL, and nothing is downloaded", "save the video first, then name the file")
        elif path.is_dir():
            try:
                self._add_files(walk_folder(path, recursive=self.recursive), path)
            except OSError as error:
                self._refuse(path, f"the folder cannot be read ({error.strerror or error})", "")
        elif path.exists() or not MAGIC.search(text):
            self._add_outright(path)
        else:
            self._add_files(expand_glob(text), path)

    def _refuse(self, path: Path, problem: str, fix: str) -> None:
        self.clips.append(ClipInput(path, problem=problem, fix=fix))

    def _add_outright(self, path: Path) -> None:
        """A picture is a frame of its folder, as a shell may have expanded a glob; an animation is a clip."""
        if path.suffix.lower() in SUFFIXES and path.exists() and not is_animation(path):
            self.outright[path.parent].append(path)
        elif not path.exists():
            self._refuse(path, "there is no such file", "check the name")
        else:
            self.clips.append(ClipInput(path))

    def _add_files(self, walk: Walk, source: Path) -> None:
        """Pictures of a folder are the frames of one clip; where it has none, each of its videos is a clip."""
        folders: dict[Path, list[Path]] = defaultdict(list)
        for path in walk.files:
            if self.is_map(path):
                walk.passed[MAP] += 1
            elif path.suffix.lower() in SUFFIXES | VIDEO_SUFFIXES:
                folders[path.parent].append(path)
            else:
                walk.passed[OTHER] += 1
        found = len(self.clips)
        for folder in sorted(folders):
            self._add_folder(folder, folders[folder])
        if len(self.clips) == found:
            what = "no frame and no video was found"
            fix = "name a video, a folder of frames, or give --recursive to descend into folders"
            self._refuse(source, what, fix)
        elif walk.passed:
            counts = ", ".join(f"{count} {reason}" for reason, count in sorted(walk.passed.items()))
            first = self.clips[found]
            notes = [*([first.note] if first.note else []), f"passed over in {source}: {counts}"]
            self.clips[found] = replace(first, note="; ".join(notes))

    def _add_folder(self, folder: Path, files: Sequence[Path]) -> None:
        pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
        own = [path for path in pictures if not has_mark(path)]
        if frames := own or pictures:
            videos = len(files) - len(pictures)
            note = f"{videos} videos beside the frames were passed over: name them to take them" if videos else ""
            self.clips.append(ClipInput(folder, tuple(frames), note))
            return
        self.clips += [ClipInput(path) for path in files]


def expand_clips(inputs: Sequence[str], *, recursive: bool, is_map: Callable[[Path], bool]) -> list[ClipInput]:
    """Find clips, each once, in the order of the inputs; pictures that are named one by one are frames of their folder.

    is_map: whether a file was written into the output folder by an earlier run. Maps of ours are frames only where a
    folder holds nothing else. What matches nothing stays in the list, so that it is reported as refused. Raises
    BadParameter for an empty name.
    """
    if not all(inputs):
        raise BadParameter("the name of an input is empty", fix="name videos, folders of frames, or globs")
    finder = _Finder(recursive, is_map)
    for text in inputs:
        finder.add(text)
    for folder, frames in finder.outright.items():
        finder.clips.append(ClipInput(folder, tuple(dict.fromkeys(frames))))
    return list({(clip.path.absolute(), clip.frames): clip for clip in reversed(finder.clips)}.values())[::-1]


def plan_clip_names(clips: Sequence[ClipInput]) -> list[str]:
    """A name for the maps of each clip: the plain one, the whole file name where it is shared, else with its folder's.

    Names that are still shared are counted.
    """
    names = [clip.plain_name for clip in clips]
    for depth in (1, 2):
        longer = ["-".join(clip.path.absolute().parts[-depth:]) for clip in clips]
        names = [more if names.count(name) > 1 else name for more, name in zip(longer, names, strict=True)]
    unique: dict[str, None] = {}
    for name in names:
        counted = (f"{name}-{number}" for number in count(2))
        unique[next(one for one in chain((name,), counted) if one not in unique)] = None
    return list(unique)
