"""JPEG files by their markers: what they promise and what they would cost, before a decoder sees them.

Source: ITU-T T.81, annexes A and B.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...errors import BadImage
from ..geometry import Size
from ..headers import AGAIN, check_size

if TYPE_CHECKING:
    from typing import BinaryIO

MAX_SCANS = 100
"""Each scan costs a pass over the whole picture; encoders make some ten, the most thorough optimisers below 70."""
MAX_SEGMENTS = 8192
MAX_FILL = 1 << 16
MAX_METADATA = 64 << 20
MAX_FILE = 256 << 20
_MARKER = re.compile(rb"\xff+[^\x00\xff]")
_FILL = re.compile(rb"\xff{3,}")
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_NO_SIZE = Size(0, 0)
ARITHMETIC = frozenset((0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF))
"""Kinds of frames whose decoder makes up what is missing without a trace."""
LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
_RESTARTS = range(0xD0, 0xD8)


@dataclass
class JpegScans:
    """Structure of a JPEG.

    frame: marker of its kind. components: sampling factors (across, down) by component. interval: MCUs between restart
    markers, 0 without. ends: where the coded data of scans and restart intervals end. scan: components of the scan at
    hand. progress: lowest bit that scans brought, by (component, coefficient).
    """

    size: Size = _NO_SIZE
    frame: int = 0
    components: dict[int, tuple[int, int]] = field(default_factory=dict[int, "tuple[int, int]"])
    interval: int = 0
    scan: bytes = b""
    ends: list[int] = field(default_factory=list[int])
    scans: int = 0
    segments: int = 0
    fill: int = 0
    metadata: int = 0
    progress: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])

    def count_coefficients(self) -> float:
        """Coefficients a pixel that a decoder holds: none of one scan, all of several."""
        if self.scans < 2 or not self.components:
            return 0
        most = max(across * down for across, down in self.components.values())
        return sum(across * down for across, down in self.components.values()) / most


def read_jpeg(file: BinaryIO, start: int = 0) -> bytes:
    """Bytes of a JPEG from start on, at most MAX_FILE."""
    size = file.seek(0, 2)
    file.seek(start)
    return file.read(min(MAX_FILE, max(0, size - start)))


def check_jpeg(data: bytes, *, where: str) -> JpegScans:
    """Walk the markers up to the end of the picture. Raises BadImage for what is missing or would cost too much."""
    scans, at = JpegScans(), 2
    while True:
        marker, at = _find_marker(data, at, scans, where)
        if marker == 0xD9:
            break
        if marker == 0x01 or marker in _RESTARTS or marker == 0xD8:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        if length < 2 or at + length > len(data):
            raise BadImage("the JPEG is cut off or damaged in its headers", where=where, fix=AGAIN)
        _read_segment(scans, marker, data[at + 2 : at + length], where)
        at += length
        if marker == 0xDA:
            at = _find_scan_end(data, at, scans, where)
    if not scans.scans:
        raise BadImage("the JPEG is cut off: it holds no picture data", where=where, fix=AGAIN)
    _check_progress(scans, where)
    return scans


def _find_marker(data: bytes, at: int, scans: JpegScans, where: str) -> tuple[int, int]:
    found = _MARKER.search(data, at)
    if found is None:
        raise BadImage("the JPEG is cut off: its end is missing", where=where, fix=AGAIN)
    scans.fill += found.end() - at - 2
    scans.segments += 1
    _check_costs(scans, where)
    return data[found.end() - 1], found.end()


def _check_costs(scans: JpegScans, where: str) -> None:
    limits = (
        (scans.segments, MAX_SEGMENTS, "segments"),
        (scans.scans, MAX_SCANS, "scans"),
        (scans.fill, MAX_FILL, "bytes of filling between its segments"),
        (scans.metadata, MAX_METADATA, "bytes of metadata"),
    )
    for count, limit, name in limits:
        if count > limit:
            what = f"the JPEG has more than {limit} {name}; it was not decoded"
            raise BadImage(what, where=where, fix="save the picture again with an ordinary encoder")


def _read_segment(scans: JpegScans, marker: int, body: bytes, where: str) -> None:
    if marker in _FRAMES and len(body) >= 6:
        scans.frame = marker
        scans.components = {
            body[at]: (body[at + 1] >> 4 or 1, body[at + 1] & 15 or 1) for at in range(6, len(body) - 2, 3)
        }
        scans.size = Size(int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big"))
        check_size(scans.size, where=where)
    elif marker == 0xDA:
        scans.scans += 1
        _check_costs(scans, where)
        _note_scan(scans, body)
    elif marker == 0xDD and len(body) >= 2:
        scans.interval = int.from_bytes(body[:2], "big")
    else:
        scans.metadata += len(body)


def _note_scan(scans: JpegScans, body: bytes) -> None:
    count = body[0] if body else 0
    if len(body) < 2 * count + 4:
        return
    first, last, low = body[2 * count + 1], body[2 * count + 2], body[2 * count + 3] & 15
    scans.scan = body[1 : 1 + 2 * count : 2]
    for component in scans.scan:
        for index in range(first, min(last, 63) + 1):
            scans.progress[component, index] = low


def _find_scan_end(data: bytes, at: int, scans: JpegScans, where: str) -> int:
    """Position of the marker after a scan's coded data."""
    start, restarts = at, 0
    while True:
        found = _MARKER.search(data, at)
        if found is None:
            raise BadImage("the JPEG is cut off: its end is missing", where=where, fix=AGAIN)
        scans.ends.append(found.start())
        at = found.end()
        if data[at - 1] != 0xD0 + restarts % 8:
            break
        restarts += 1
    scans.fill += sum(len(run.group()) - 2 for run in _FILL.finditer(data, start, found.end()))
    _check_costs(scans, where)
    _check_restarts(scans, restarts, where)
    return found.start()


def _check_restarts(scans: JpegScans, found: int, where: str) -> None:
    """Refuse a scan with other restart markers than its size asks for; one more at the end is harmless."""
    if not scans.interval or scans.frame in LOSSLESS or not scans.components:
        return
    wanted = -(-_count_units(scans) // scans.interval) - 1
    if not wanted <= found <= wanted + 1:
        what = f"the JPEG is damaged: a scan has {found} of {wanted} restart markers"
        raise BadImage(what, where=where, fix=AGAIN)


def _count_units(scans: JpegScans) -> int:
    """MCUs of the scan at hand: of one component its blocks, of several the largest sampling."""
    most = [max(sides) for sides in zip(*scans.components.values(), strict=True)]
    across, down = scans.components.get(scans.scan[0], (1, 1)) if len(scans.scan) == 1 else (1, 1)
    if len(scans.scan) == 1:
        width, height = -(-scans.size.width * across // most[0]), -(-scans.size.height * down // most[1])
        return -(-width // 8) * -(-height // 8)
    return -(-scans.size.width // (8 * most[0])) * -(-scans.size.height // (8 * most[1]))


def _check_progress(scans: JpegScans, where: str) -> None:
    """Refuse a picture whose scans do not reach every coefficient to its last bit."""
    if scans.frame in LOSSLESS:
        return
    wanted = ((component, index) for component in scans.components for index in range(64))
    if any(scans.progress.get(key, 1) for key in wanted):
        what = "the JPEG is cut off: scans that complete the picture are missing"
        raise BadImage(what, where=where, fix=AGAIN)
