"""Maps of clips to video files and folders of frames, with the times and numbers of their frames."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..errors import BadImage
from ..files import atomic_stream
from ..images.marks import KEYWORD
from ..images.writing import build_document, write_map
from .pyav import load_av

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path
    from typing import BinaryIO

    from ..annotator import ControlMap
    from ..images.types import Pixels
    from .options import Output
    from .types import ClipFrame, ClipInfo

SUFFIXES = {"lossless": ".mkv", "h264": ".mp4"}
TIMESTAMPS = "timestamps.txt"
_FORMATS = {"lossless": "matroska", "h264": "mp4"}


class FrameSink:
    """Writes maps as pictures of a folder, under the names of their frames or under their numbers.

    timed: also write the times of the frames, as text of the form "timestamp format v2" (mkvmerge, x264, ffms2).
    prepare: called before the first is written. files: what was written, below the folder's parent.
    """

    def __init__(
        self,
        folder: Path,
        *,
        values: bool = False,
        json: bool = False,
        timed: bool = False,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self.folder, self.values, self.json, self.timed, self.prepare = folder, values, json, timed, prepare
        self.files: list[str] = []
        self.notes: tuple[str, ...] = ()

    @contextmanager
    def begin(self) -> Generator[FrameSink]:
        """The sink while it is written to; a refused clip leaves nothing. Raises WriteFailed."""
        try:
            if not self.timed:
                yield self
                return
            path = self.folder / TIMESTAMPS
            with atomic_stream(path) as self._times:
                self._times.write(b"# timestamp format v2\n")
                yield self
            self.files.append(f"{self.folder.name}/{path.name}")
        except BadImage:
            for name in self.files:
                (self.folder.parent / name).unlink(missing_ok=True)
            with suppress(OSError):
                self.folder.rmdir()
            raise

    def write(self, frame: ClipFrame, control_map: ControlMap) -> None:
        """Write the map of a frame. Raises WriteFailed."""
        if self.prepare is not None and not self.files:
            self.prepare()
        stem = frame.name or f"{frame.number:06d}"
        written = write_map(control_map, 0, self.folder, stem, values=self.values, json=self.json)
        self.files += [f"{self.folder.name}/{path.name}" for path in written]
        if self.timed:
            self._times.write(f"{float(frame.time * 1000):.3f}\n".encode())


class VideoSink:
    """Writes maps into a video file, and what was found in them as one list of JSON beside it.

    files: what was written, below the file's folder. notes: what the user should know.
    """

    def __init__(self, path: Path, info: ClipInfo, output: Output, *, json: bool = False) -> None:
        self.path, self.info, self.json = path, info, json
        self.output: Output = output
        self.files: list[str] = []
        self.notes: tuple[str, ...] = ()
        self._video: VideoWriter | None = None
        self._list: _JsonList | None = None

    @contextmanager
    def begin(self) -> Generator[VideoSink]:
        """The sink while it is written to; files get their names at its end. Raises WriteFailed, MissingExtra."""
        with ExitStack() as self._stack:
            self._stream = self._stack.enter_context(atomic_stream(self.path))
            yield self
        if self._video is not None:
            self.notes = self._video.notes
        self.files = [self.path.name, *([self._list.path.name] if self._list else [])]

    def write(self, frame: ClipFrame, control_map: ControlMap) -> None:
        """Write the map of a frame. Raises WriteFailed."""
        if self._video is None:
            made = write_video(self._stream, self.info, self.output, control_map)
            self._video = self._stack.enter_context(made)
        self._video.write(control_map.images[0], frame.time)
        document = build_document(control_map, 0) if self.json else None
        if document is not None:
            if self._list is None:
                path = self.path.with_suffix(".json")
                self._list = _JsonList(path, self._stack.enter_context(_write_list(path)))
            self._list.add({"frame": frame.number, **document})


class _JsonList:
    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path, self.stream, self.start = path, stream, b"[\n"

    def add(self, document: dict[str, Any]) -> None:
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
        self.stream.write(self.start + text.encode())
        self.start = b",\n"


@contextmanager
def _write_list(path: Path) -> Generator[BinaryIO]:
    with atomic_stream(path) as stream:
        yield stream
        stream.write(b"\n]\n")


class VideoWriter:
    """An open video. notes: what the user should know of it."""

    def __init__(self, av: Any, container: Any, stream: Any, notes: tuple[str, ...] = ()) -> None:
        self.notes = notes
        self._av, self._container, self._stream = av, container, stream
        self._base, self._last = Fraction(stream.codec_context.time_base), -1

    def write(self, pixels: Pixels, time: Fraction) -> None:
        """Add a frame; one whose time does not rise comes a tick after the last."""
        frame = self._av.VideoFrame.from_ndarray(pixels, format="rgb24")
        context = self._stream.codec_context
        if context.pix_fmt.startswith("yuv"):
            frame = frame.reformat(format=context.pix_fmt, dst_colorspace="ITU709", dst_color_range="MPEG")
        self._last = max(self._last + 1, round(time / self._base))
        frame.pts, frame.time_base = self._last, self._base
        self._mux(frame)

    def finish(self) -> None:
        """Write what the encoder holds back, and the end of the file."""
        self._mux(None)
        self._container.close()

    def _mux(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            self._container.mux(packet)


@contextmanager
def write_video(stream: BinaryIO, info: ClipInfo, output: Output, first: ControlMap) -> Generator[VideoWriter]:
    """A video of maps of one size, in a stream that can seek; the same maps give the same bytes.

    lossless: FFV1 with checksums, RGB. h264: quality 14, BT.709; sides that are odd need 4:4:4, which not every player
    shows, and are noted. Raises MissingExtra.
    """
    av = load_av("video output")
    height, width = first.images.shape[1:3]
    plain = height % 2 == 0 and width % 2 == 0
    container = av.open(stream, "w", format=_FORMATS[output], options={"fflags": "+bitexact"})
    try:
        if output == "lossless":
            codec, pixels, options = "ffv1", "bgr0", {"level": "3", "slicecrc": "1", "g": "1"}
        else:
            codec, pixels = "libx264", "yuv420p" if plain else "yuv444p"
            options = {"crf": "14", "preset": "medium"}
        video = container.add_stream(codec, rate=info.rate, options={**options, "flags": "+bitexact"})
        context = video.codec_context
        video.width, video.height, video.pix_fmt, context.thread_count = width, height, pixels, 1
        context.time_base = video.time_base = info.time_base
        if output == "h264":
            context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        container.metadata["comment"] = f"{KEYWORD} {json.dumps(first.info, sort_keys=True)}"
        odd = output == "h264" and not plain
        notes = (f"{width}x{height} has an odd side: written as 4:4:4, which not every player shows",) if odd else ()
        writer = VideoWriter(av, container, video, notes)
        yield writer
        writer.finish()
    except BaseException:
        with suppress(Exception):  # the file is dropped, and the fault at hand is what counts
            container.close()
        raise
