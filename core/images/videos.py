"""Videos: recognised where pictures are read; `core.video` reads them."""

from __future__ import annotations

from pathlib import PurePath

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".wmv", ".asf", ".flv", ".mpg", ".mpeg", ".m2ts", ".mts")
) | {".ts", ".ogv", ".3gp", ".3g2", ".vob", ".y4m"}
_STILLS = frozenset(b"heic heix hevc heim heis mif1 msf1 avif avis".split()) | {b"jxl ", b"jp2 ", b"jpx ", b"crx "}
"""Brands of files with the structure of MP4 that hold pictures."""
_SIGNATURES = (
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"\0\0\x01\xba",  # MPEG program stream
    b"\0\0\x01\xb3",  # MPEG video
    b"FLV\x01",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF, WMV
    b"OggS",
    b"YUV4MPEG2 ",
)
_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip")
"""First boxes of QuickTime files without a brand."""


def is_video(head: bytes, name: str = "") -> bool:
    """Whether a file is a video, by its first 32 bytes; a transport stream also by the ending of its name."""
    if head[4:8] == b"ftyp":
        return head[8:12] not in _STILLS
    if head[:4] == b"RIFF":
        return head[8:12] == b"AVI "
    if head[:1] == b"G" or head[4:5] == b"G":
        return PurePath(name).suffix.lower() in VIDEO_SUFFIXES
    return head.startswith(_SIGNATURES) or head[4:8] in _BOXES


def suggest_frames(name: str) -> str:
    """Commands that annotate a video, or make pictures of it first."""
    path = PurePath(name)
    folder = path.with_name(f"{path.stem}_frames") if path.name else PurePath("frames")
    command = f'ffmpeg -i "{path}" "{folder / "%06d.png"}"'
    direct = f'run `underdrawing annotate NAME "{path}" -o DIR --video`'
    return f'{direct}, or make the folder "{folder}", run {command}, and give that folder as the input'
