"""Video files as clips, read with PyAV.

Frames come in order of presentation, upright (the file's display rotation is applied), as RGB by the matrix and range
that the file states (BT.601 where it states none). Damaged frames keep their place: FFmpeg is asked to explode on
errors, so that nothing that its decoders patched up passes for a frame. What follows a damaged frame up to the next key
frame may still show traces of it, which no decoder reports.
"""

from __future__ import annotations

import heapq
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import BadImage
from ..images.cost import check_map_size
from ..images.geometry import Size
from ..images.headers import check_size
from ..images.videos import is_video
from ..regular_files import open_regular_file
from .pyav import load_av, report_faults
from .types import Clip, ClipFrame, ClipInfo

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from ..images.types import Pixels

_TRANSFERS = {16: "PQ", 18: "HLG"}
"""Transfer functions of HDR."""
_OTHERS = {"audio": "audio track", "subtitle": "subtitle track", "data": "data track"}
DAMAGED = "cannot be decoded"


class _Stamp(NamedTuple):
    """A frame in order of presentation, and when. frame: None for a lost one."""

    ticks: int
    frame: Any = None


class VideoClip(Clip):
    """The first video stream of a file. fallback: frames in a second where the file does not say it."""

    def __init__(self, path: Path, fallback: float = 24.0) -> None:
        self.path, self.files = path, (path,)
        self.fallback = Fraction(fallback).limit_denominator(100_000)

    def read_info(self) -> ClipInfo:
        """Facts of the stream. Raises BadImage, MissingExtra."""
        with self._open() as (_, container, stream):
            rate = Fraction(stream.average_rate or stream.guessed_rate or self.fallback)
            seconds = stream.duration * stream.time_base if stream.duration else (container.duration or 0) / 10**6
            return ClipInfo(
                rate,
                stream.frames or round(seconds * rate),
                Fraction(stream.time_base or 1 / rate),
                tuple(_describe(container, stream)),
            )

    def read_frames(self, resolution: int | None = None) -> Iterator[ClipFrame]:
        """Frames; a damaged one has a problem in place of pixels. Raises BadImage, MissingExtra."""
        rate = self.read_info().rate
        with self._open() as (av, container, stream):
            base, number, time = Fraction(stream.time_base or 1 / rate), 0, Fraction(0)
            for stamp in _Decoder(av, stream, max(1, round(1 / (rate * base))), str(self.path)).run(container):
                pixels = None if stamp.frame is None else self._convert(av, stamp.frame, resolution)
                time = stamp.ticks * base
                yield ClipFrame(number, time, "", pixels, DAMAGED if pixels is None else "")
                number += 1
            self.late_notes = tuple(_compare(container, stream, number, time + 1 / rate))
        if not number:
            raise BadImage("the video holds no frame", where=str(self.path), fix="play it to see whether it is whole")

    def _convert(self, av: Any, frame: Any, resolution: int | None) -> Pixels | None:
        size, where = Size(frame.height, frame.width), str(self.path)
        check_size(size, where=where)
        check_map_size(size, resolution, where=where)
        try:
            pixels = frame.to_ndarray(format="rgb24")
        except (av.error.FFmpegError, ValueError):
            return None
        return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90) % 4))

    @contextmanager
    def _open(self) -> Generator[tuple[Any, Any, Any]]:
        """PyAV, the file and its first video stream."""
        where = str(self.path)
        av = load_av(where)
        try:
            file = open_regular_file(self.path)
        except OSError as error:
            what = f"the file cannot be opened ({error.strerror or error})"
            raise BadImage(what, where=where, fix="check the name") from error
        with file:
            head = file.read(32)
            if not head:
                raise BadImage("the file is empty (0 bytes)", where=where, fix="save or copy it again")
            if not is_video(head, self.path.name):
                raise BadImage("this is not a video", where=where, fix="name a video file or a folder of frames")
            file.seek(0)
            with report_faults(av, "the video cannot be opened", where):
                container = av.open(file, "r")  # the stream, not the name: no playlist leads anywhere
            with container:
                stream = _choose_stream(container, where)
                context = stream.codec_context
                check_size(Size(context.height or 1, context.width or 1), where=where)  # before anything is decoded
                yield av, container, stream


def _choose_stream(container: Any, where: str) -> Any:
    streams = [one for one in container.streams.video if not _is_cover(one)]
    if not streams:
        raise BadImage("the file holds no video stream", where=where, fix="name a video file or a folder of frames")
    stream = streams[0]
    stream.codec_context.thread_type = "SLICE"  # threads over frames report errors of one at another
    stream.codec_context.options = {"err_detect": "explode"}
    return stream


def _is_cover(stream: Any) -> bool:
    """Whether a stream is the picture of an album."""
    disposition = type(stream.disposition)
    return bool(stream.disposition & disposition.attached_pic)


def _describe(container: Any, stream: Any) -> Iterator[str]:
    """Notes on what of a file is not taken over."""
    for kind, name in _OTHERS.items():
        if number := sum(one.type == kind for one in container.streams):
            yield f"{number} {name}{'s' if number > 1 else ''} dropped: maps have pictures only"
    if len([one for one in container.streams.video if not _is_cover(one)]) > 1:
        yield "the file holds several video streams, the first is used"
    context = stream.codec_context
    if name := _TRANSFERS.get(int(context.color_trc or 0)):
        yield f"the video is HDR ({name}): its frames are taken as they are, without tone mapping"
    if stream.sample_aspect_ratio not in (None, 0, 1):
        yield f"pixels are not square ({stream.sample_aspect_ratio}): maps have the pixels of the file"


def _compare(container: Any, stream: Any, number: int, end: Fraction) -> Iterator[str]:
    """Note on a file that holds less than its header says."""
    alone = len(container.streams) == 1
    if stream.frames > number:
        yield f"the file promises {stream.frames} frames and holds {number}"
    elif alone and container.duration and end < Fraction(container.duration, 10**6) * Fraction(9, 10):
        yield f"the file promises {container.duration / 10**6:g} seconds and ends after {float(end):g}"


class _Decoder:
    """Frames of a stream in order of presentation, lost ones in their places.

    A packet's time stamp is that of its frame. After a fault, packets of which no frame came are lost frames (before
    one they may be frames that are never shown). A demuxer that fails later than at its first packet ends the clip.
    """

    def __init__(self, av: Any, stream: Any, step: int, where: str) -> None:
        self.av, self.stream, self.step, self.where = av, stream, step, where
        self.last = -step
        self.is_faulty = self.is_matched = False
        self._expected: list[int] = []
        self._faults: set[int] = set()

    def run(self, container: Any) -> Iterator[_Stamp]:
        """Stamps of the whole stream. Raises BadImage."""
        packets = container.demux(self.stream)
        while (packet := self._read(packets)) is not None:
            if packet.pts is not None and packet.size and not packet.is_discard:
                heapq.heappush(self._expected, packet.pts)
            try:
                frames = packet.decode()
            except self.av.error.FFmpegError:
                frames, self.is_faulty = [], True
                self._faults.update(() if packet.pts is None else (packet.pts,))
                if packet.pts is None and packet.size and not packet.is_discard:
                    yield self._count(_Stamp(self.last + self.step))
            for frame in frames:
                self.is_faulty = self.is_faulty or frame.is_corrupt
                ticks = self.last + self.step if frame.pts is None else frame.pts
                yield from self._list_lost(ticks)
                damaged = frame.is_corrupt or ticks in self._faults  # decoders may hand on what they failed at
                yield self._count(_Stamp(ticks, None if damaged else frame))
        yield from self._list_lost(None)

    def _read(self, packets: Iterator[Any]) -> Any:
        try:
            with report_faults(self.av, "the video cannot be read", self.where):
                return next(packets, None)
        except BadImage:
            if self.last < 0 and not self._expected:
                raise
            return None

    def _list_lost(self, before: int | None) -> Iterator[_Stamp]:
        """Frames that should have come before one at these ticks, which itself is expected no more."""
        while self._expected and (before is None or self._expected[0] <= before):
            ticks = heapq.heappop(self._expected)
            if ticks == before:
                self.is_matched = True
            elif self.is_faulty and (self.is_matched or before is None):
                yield self._count(_Stamp(ticks))

    def _count(self, stamp: _Stamp) -> _Stamp:
        self.last = max(self.last, stamp.ticks)
        return stamp
