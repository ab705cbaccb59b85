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
    """A frame in order of presentation: ticks, and the order in which it came. frame: None for a lost one."""

    ticks: int
    order: int
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
            base, promised, number = Fraction(stream.time_base or 1 / rate), stream.frames, 0
            for stamp in _order_stamps(_decode(av, container, stream, base, rate, str(self.path))):
                pixels = None if stamp.frame is None else self._convert(av, stamp.frame, resolution)
                yield ClipFrame(number, stamp.ticks * base, "", pixels, DAMAGED if pixels is None else "")
                number += 1
        if not number:
            raise BadImage("the video holds no frame", where=str(self.path), fix="play it to see whether it is whole")
        if promised > number:
            self.late_notes = (f"the file promises {promised} frames and holds {number}",)

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
            if not is_video(file.read(32), self.path.name):
                raise BadImage("this is not a video", where=where, fix="name a video file or a folder of frames")
            file.seek(0)
            with report_faults(av, "the video cannot be opened", where):
                container = av.open(file, "r")  # the stream, not the name: no playlist leads anywhere
            with container:
                yield av, container, _choose_stream(container, where)


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


def _decode(av: Any, container: Any, stream: Any, base: Fraction, rate: Fraction, where: str) -> Iterator[_Stamp]:
    """Frames as they come out of the decoder, and a stamp without one for each packet that cannot be decoded.

    A demuxer that fails later than at its first packet ends the clip, as at the end of a cut file.
    """
    order, last = 0, -1
    step = max(1, round(1 / (rate * base)))
    packets = container.demux(stream)
    while True:
        try:
            with report_faults(av, "the video cannot be read", where):
                packet = next(packets, None)
        except BadImage:
            if order == 0:
                raise
            return
        if packet is None:
            return
        try:
            found = [_Stamp(_find_ticks(one, last + step), 0, _check(one)) for one in packet.decode()]
        except av.error.FFmpegError:
            found = [] if packet.is_discard else [_Stamp(last + step if packet.pts is None else packet.pts, 0)]
        for stamp in found:
            last = max(last, stamp.ticks)
            yield _Stamp(stamp.ticks, order, stamp.frame)
            order += 1


def _find_ticks(frame: Any, guess: int) -> int:
    return guess if frame.pts is None else frame.pts


def _check(frame: Any) -> Any:
    return None if frame.is_corrupt else frame


def _order_stamps(stamps: Iterator[_Stamp]) -> Iterator[_Stamp]:
    """Lost frames between those that the decoder gave in order; of two stamps of one time the one with a frame counts.

    Frames are in order already; a lost one is known before frames that are shown earlier come out.
    """
    lost: list[tuple[int, int]] = []
    given: set[int] = set()
    for stamp in stamps:
        if stamp.frame is None and stamp.ticks not in given:
            heapq.heappush(lost, stamp[:2])
            given.add(stamp.ticks)
        if stamp.frame is None:
            continue
        while lost and lost[0][0] <= stamp.ticks:
            earlier = heapq.heappop(lost)
            if earlier[0] < stamp.ticks:
                yield _Stamp(*earlier)
        yield stamp
    while lost:
        yield _Stamp(*heapq.heappop(lost))
