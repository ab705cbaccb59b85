"""Video files for tests: made by PyAV, whole, turned, of variable rate or damaged in one frame."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

REASON = "video files need PyAV: pip install 'av>=17'"
FORMATS = {".mkv": "matroska", ".mp4": "mp4", ".avi": "avi", ".mov": "mov", ".webm": "webm"}


def load_av() -> Any:
    """PyAV, or the test is skipped."""
    return pytest.importorskip("av", reason=REASON)


def bars(count: int, height: int = 48, width: int = 64) -> list[NDArray[np.uint8]]:
    """Frames that differ: the upper left quarter is red, and a white bar moves down."""
    frames = []
    for number in range(count):
        frame = np.full((height, width, 3), 40, np.uint8)
        frame[: height // 2, : width // 2] = (200, 30, 30)
        frame[(2 * number) % height : (2 * number) % height + 2] = 255
        frames.append(frame)
    return frames


def write_video(
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    codec: str = "libx264",
    *,
    rate: Fraction = Fraction(25),
    times: Sequence[Fraction] | None = None,
    turn: int = 0,
    sound: bool = False,
    **options: str,
) -> Path:
    """Write frames; times: in seconds, of each. turn: degrees against the clock that players turn it by."""
    av = load_av()
    base = Fraction(1, 1000) if times else 1 / rate
    with av.open(str(path), "w", format=FORMATS[path.suffix]) as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = {"ffv1": "bgr0", "png": "rgb24"}.get(codec, "yuv420p")
        stream.codec_context.time_base = stream.time_base = base
        if turn and not hasattr(av.video.stream.VideoStream, "set_display_rotation"):
            pytest.skip("writing turned videos needs PyAV 18: pip install 'av>=18'")
        if turn:
            stream.set_display_rotation(turn)
        track = container.add_stream("aac", rate=8000, layout="mono") if sound else None
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round((times[number] if times else number / rate) / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            quiet = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            quiet.sample_rate, quiet.pts = 8000, 0
            container.mux(track.encode(quiet))
            container.mux(track.encode(None))
    return path


def damage_frame(path: Path, number: int) -> Path:
    """Overwrite part of the data of a packet, in place."""
    av = load_av()
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    position, size = packets[number]
    data = bytearray(path.read_bytes())
    start = position + size // 3
    data[start : start + min(40, size // 2)] = b"\x5a" * min(40, size // 2)
    path.write_bytes(bytes(data))
    return path
