"""The poison corpus: picture files that break readers, each with what must come of it."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageCms, features
from PIL.PngImagePlugin import PngInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    U8 = NDArray[np.uint8]

ORIENTATION = 0x0112


@dataclass(frozen=True)
class Poison:
    """One file. expected: the first frame as uint8 [H, W, 3] within tolerance, or None when refused for `reason`.

    note: text one of the notes must hold.
    """

    name: str
    data: bytes
    expected: U8 | None = None
    reason: str = ""
    tolerance: int = 0
    note: str = ""
    alpha: U8 | None = None


@cache
def corpus() -> list[Poison]:
    """Every file, made once for all suites."""
    return [*_refused(), *_sizes(), *_modes(), *_animated(), *_oriented(), *_profiles(), *_other_formats()]


def write(folder: Path) -> list[Poison]:
    made = corpus()
    for poison in made:
        (folder / poison.name).write_bytes(poison.data)
    return made


# --- building blocks


def ramp(height: int = 24, width: int = 32) -> U8:
    """Smooth colours, different in every corner."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 255 / max(1, width - 1), y * 255 / max(1, height - 1), 255 - x * 128 / max(1, width - 1)]
    return np.rint(np.stack(planes, axis=-1)).astype(np.uint8)


def grey_rgb(grey: NDArray[Any]) -> U8:
    return np.repeat(np.asarray(grey, np.uint8)[..., None], 3, axis=2)


def white_under(pixels: U8, alpha: U8) -> U8:
    cover = alpha[..., None].astype(np.float64) / 255
    return np.floor(pixels * cover + 255 * (1 - cover) + 0.5).astype(np.uint8)


def encoded(pixels: NDArray[Any] | Image.Image, kind: str, **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(size: tuple[int, int], bits: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """PNG of width x height from unfiltered rows."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def deep_png(values: NDArray[Any], colour: int, *extra: bytes) -> bytes:
    """PNG of 16 bits per channel."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return raw_png((width, height), 16, colour, rows, *extra)


def sixteen() -> NDArray[np.uint16]:
    """All 65536 values."""
    return np.arange(65536, dtype=np.uint16).reshape(256, 256)


def rounded(values: NDArray[Any]) -> U8:
    return np.rint(values.astype(np.float64) / 257).astype(np.uint8)


def tiff(tags: list[tuple[int, int, int, int]], data: bytes = b"") -> bytes:
    """Little-endian TIFF of one directory; data begins at byte 8 + 2 + 12 * len(tags) + 4."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + data


# --- what must be refused


def _refused() -> list[Poison]:
    png, jpeg = encoded(ramp(), "PNG"), encoded(ramp(), "JPEG")
    webp, gif = encoded(ramp(), "WEBP", lossless=True), encoded(ramp(), "GIF")
    bmp, strips = encoded(ramp(), "BMP"), encoded(ramp(), "TIFF")
    made = [
        ("empty.png", b"", "empty"),
        ("page.png", b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        ("text.jpg", b"hello, I am a text file and nothing else\n", "text file"),
        ("lfs.png", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "LFS"),
        ("svg.png", b"<svg xmlns='http://www.w3.org/2000/svg'></svg>      ", "SVG"),
        ("page.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        ("noise.webp", bytes(range(256)), "not a picture"),
        ("photo.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64), "pillow-heif|damaged|HEIC"),
        ("cut.png", png[: len(png) // 2], "cut off"),
        ("cut-end.png", png[:-12], "cut off"),
        ("signature.png", png[:8], "cut off"),
        ("cut.jpg", jpeg[: len(jpeg) * 2 // 3], "cut off"),
        ("cut-header.jpg", jpeg[:20], "cut off"),
        ("cut.webp", webp[: len(webp) // 2], "cut off"),
        ("cut.gif", gif[: len(gif) // 2], "cut off"),
        ("cut.bmp", bmp[: len(bmp) // 2], "cut off"),
        ("cut.tif", strips[: len(strips) // 4], "cut off|damaged"),
        ("checksum-header.png", flipped(png, png.index(b"IHDR") + 7), "checksum|more than|damaged"),
        ("checksum-data.png", flipped(png, png.index(b"IDAT") + 20), "checksum"),
    ]
    return [Poison(name, data, reason=reason) for name, data, reason in made]


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _sizes() -> list[Poison]:
    row = bytes(1 + 3 * 16)
    bomb = zlib.compress(bytes(40 << 20), 9)
    gif = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02D\x01\0;"
    bmp = b"BM" + struct.pack("<IHHI", 200, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 65535, 65535, 1, 24, *[0] * 6)
    jpeg = encoded(ramp(), "JPEG")
    sof = jpeg.index(b"\xff\xc0")
    large = [(256, 4, 1, 65535), (257, 4, 1, 65535), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    huge = "more than 100 megapixels"
    vp8x = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xfe\xff\xff" * 2
    made = [
        ("20000.png", raw_png((20000, 20000), 8, 2, row), huge),
        ("65535.png", raw_png((65535, 65535), 8, 2, row), huge),
        ("2147483647.png", raw_png((2**31 - 1, 2**31 - 1), 16, 6, row), huge),
        ("0-wide.png", raw_png((0, 16), 8, 2, row), "nothing to decode"),
        ("0-high.png", raw_png((16, 0), 8, 2, row), "nothing to decode"),
        ("65535.gif", gif + frame, "more than|refuses its size"),
        ("65535.bmp", bmp, "more than|refuses its size"),
        (
            "65500.jpg",
            jpeg[: sof + 5] + struct.pack(">HH", 65500, 65500) + jpeg[sof + 9 :],
            "more than|refuses its size",
        ),
        ("65535.tif", tiff([*large, (273, 4, 1, 100), (279, 4, 1, 10)]), "more than|refuses its size"),
        ("16777215.webp", b"RIFF" + struct.pack("<I", 30) + b"WEBP" + vp8x, huge),
        ("text-bomb.png", raw_png((16, 1), 8, 2, row, chunk(b"zTXt", b"k\0\0" + bomb)), "unpacks to far more"),
        ("profile-bomb.png", raw_png((16, 1), 8, 2, row, chunk(b"iCCP", b"k\0\0" + bomb)), "unpacks to far more"),
    ]
    tall = ramp(3000, 1)
    return [
        *(Poison(name, data, reason=reason) for name, data, reason in made),
        Poison("1x1.png", encoded(ramp(1, 1), "PNG"), ramp(1, 1)),
        Poison("1xN.png", encoded(tall, "PNG"), tall),
        Poison("Nx1.webp", encoded(ramp(1, 900), "WEBP", lossless=True), ramp(1, 900)),
        Poison("data-bomb.png", raw_png((16, 1), 8, 2, bytes(40 << 20)), np.zeros((1, 16, 3), np.uint8)),
    ]


# --- what must be decoded


def _modes() -> list[Poison]:
    colours, grey = ramp(), ramp()[..., 0]
    alpha = ramp()[..., 1]
    bits = np.where(grey > 100, 255, 0).astype(np.uint8)
    palette = Image.fromarray(colours).quantize(16)
    flat = np.asarray(palette.convert("RGB"))
    clear = np.where(np.asarray(palette) == 3, 0, 255).astype(np.uint8)
    cmyk = np.dstack([colours, np.full(grey.shape, 40, np.uint8)])
    inked = np.rint((255 - colours.astype(float)) * (255 - 40) / 255)
    deep, rgb = sixteen(), np.dstack([sixteen(), sixteen().T, sixteen()[::-1]])
    unit = np.linspace(0, 1, 65536, dtype=np.float32).reshape(256, 256)
    over = white_under(colours, alpha)
    lossless = encoded(np.dstack([colours, alpha]), "WEBP", lossless=True, exact=True)
    la = Image.merge("LA", (Image.fromarray(grey), Image.fromarray(alpha)))
    keyed = encoded(grey, "PNG", transparency=int(grey[0, 5]))
    rgb_key = (int(colours[2, 3, 0]), int(colours[2, 3, 1]), int(colours[2, 3, 2]))
    rgb_clear = np.where((colours == rgb_key).all(axis=-1), 0, 255).astype(np.uint8)
    deep_key = struct.pack(">HHH", *(int(v) for v in rgb[7, 9]))
    deep_clear = np.where((rgb == rgb[7, 9]).all(axis=-1), 0, 255).astype(np.uint8)
    return [
        Poison("rgb.png", encoded(colours, "PNG"), colours),
        Poison("rgb.bmp", encoded(colours, "BMP"), colours),
        Poison("rgb.tif", encoded(colours, "TIFF", compression="tiff_lzw"), colours),
        Poison("rgb.jpg", encoded(colours, "JPEG", quality=98, subsampling=0), colours, tolerance=6),
        Poison("grey.png", encoded(grey, "PNG"), grey_rgb(grey)),
        Poison("1-bit.png", encoded(Image.fromarray(bits).convert("1"), "PNG"), grey_rgb(bits)),
        Poison("1-bit.tif", encoded(Image.fromarray(bits).convert("1"), "TIFF", compression="group4"), grey_rgb(bits)),
        Poison("la.png", encoded(la, "PNG"), white_under(grey_rgb(grey), alpha), alpha=alpha),
        Poison("rgba.png", encoded(np.dstack([colours, alpha]), "PNG"), over, alpha=alpha),
        Poison("rgba.tif", encoded(np.dstack([colours, alpha]), "TIFF"), over, alpha=alpha),
        Poison("rgba.webp", lossless, over, alpha=alpha),
        Poison("opaque.png", encoded(np.dstack([colours, np.full_like(alpha, 255)]), "PNG"), colours),
        Poison("palette.png", encoded(palette, "PNG"), flat),
        Poison("palette-key.png", encoded(palette, "PNG", transparency=3), white_under(flat, clear), alpha=clear),
        Poison(
            "palette-trns.png",
            encoded(palette, "PNG", transparency=bytes([*[255] * 3, 128, *[255] * 12])),
            white_under(flat, np.where(clear == 0, 128, 255).astype(np.uint8)),
            alpha=np.where(clear == 0, 128, 255).astype(np.uint8),
        ),
        Poison("palette.gif", encoded(palette, "GIF", transparency=3), white_under(flat, clear)),
        Poison(
            "grey-key.png",
            keyed,
            np.where(grey_rgb(grey) == grey[0, 5], 255, grey_rgb(grey)).astype(np.uint8),
            alpha=np.where(grey == grey[0, 5], 0, 255).astype(np.uint8),
        ),
        Poison(
            "rgb-key.png",
            encoded(colours, "PNG", transparency=rgb_key),
            white_under(colours, rgb_clear),
            alpha=rgb_clear,
        ),
        Poison(
            "cmyk.tif", encoded(Image.fromarray(cmyk, "CMYK"), "TIFF"), inked.astype(np.uint8), tolerance=1, note="CMYK"
        ),
        Poison(
            "cmyk.jpg",
            encoded(Image.fromarray(cmyk, "CMYK"), "JPEG", quality=98),
            inked.astype(np.uint8),
            tolerance=8,
            note="CMYK",
        ),
        Poison("16-grey.png", deep_png(deep, 0), grey_rgb(rounded(deep))),
        Poison(
            "16-grey-key.png",
            deep_png(deep, 0, chunk(b"tRNS", struct.pack(">H", 500))),
            np.where(grey_rgb(deep == 500) > 0, 255, grey_rgb(rounded(deep))).astype(np.uint8),
            alpha=np.where(deep == 500, 0, 255).astype(np.uint8),
        ),
        Poison("16-grey.tif", encoded(deep, "TIFF"), grey_rgb(rounded(deep))),
        Poison("16-grey-big.tif", big_endian_tiff(deep), grey_rgb(rounded(deep))),
        Poison("16-rgb.png", deep_png(rgb, 2), rounded(rgb)),
        Poison(
            "16-rgb-key.png",
            deep_png(rgb, 2, chunk(b"tRNS", deep_key)),
            white_under(rounded(rgb), deep_clear),
            alpha=deep_clear,
        ),
        Poison(
            "16-la.png",
            deep_png(np.dstack([deep, deep.T]), 4),
            white_under(grey_rgb(rounded(deep)), rounded(deep.T)),
            alpha=rounded(deep.T),
        ),
        Poison(
            "16-rgba.png",
            deep_png(np.dstack([rgb, deep.T]), 6),
            white_under(rounded(rgb), rounded(deep.T)),
            alpha=rounded(deep.T),
        ),
        Poison("32-int.tif", encoded(Image.fromarray(deep.astype(np.int32)), "TIFF"), grey_rgb(rounded(deep))),
        Poison(
            "32-wide.tif",
            encoded(Image.fromarray(deep.astype(np.int32) * 20 - 5000), "TIFF"),
            grey_rgb(rounded(deep)),
            note="stretched",
        ),
        Poison("float.tif", encoded(Image.fromarray(unit), "TIFF"), grey_rgb(rounded(deep)), tolerance=1),
        Poison(
            "float-metres.tif",
            encoded(Image.fromarray(unit * 70 - 3), "TIFF"),
            grey_rgb(rounded(deep)),
            tolerance=1,
            note="stretched",
        ),
        Poison("float-rgb.tif", float_rgb_tiff(unit), grey_rgb(rounded(deep)), tolerance=1),
        Poison("nan.tif", encoded(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF"), reason="NaN"),
    ]


def big_endian_tiff(values: NDArray[np.uint16]) -> bytes:
    height, width = values.shape
    tags = [
        (256, 3, 1, width << 16),
        (257, 3, 1, height << 16),
        (258, 3, 1, 16 << 16),
        (259, 3, 1, 1 << 16),
        (262, 3, 1, 1 << 16),
        (273, 4, 1, 8 + 2 + 12 * 8 + 4),
        (277, 3, 1, 1 << 16),
        (279, 4, 1, values.size * 2),
    ]
    entries = b"".join(struct.pack(">HHII", *tag) for tag in tags)
    return b"MM\0*" + struct.pack(">IH", 8, 8) + entries + bytes(4) + values.astype(">u2").tobytes()


def float_rgb_tiff(unit: NDArray[np.float32]) -> bytes:
    height, width = unit.shape
    start = 8 + 2 + 12 * 9 + 4
    tags = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, 3, start),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, start + 12),
        (277, 3, 1, 3),
        (279, 4, 1, unit.size * 12),
        (339, 3, 3, start + 6),
    ]
    data = struct.pack("<6H", 32, 32, 32, 3, 3, 3) + np.repeat(unit[..., None], 3, axis=2).astype("<f4").tobytes()
    return tiff(tags, data)


def _animated() -> list[Poison]:
    first, second = ramp(), np.ascontiguousarray(ramp()[::-1, ::-1])
    images = [Image.fromarray(first), Image.fromarray(second)]
    palette = images[0].quantize(32)
    options: dict[str, Any] = {"save_all": True, "append_images": images[1:]}
    gif = encoded(palette, "GIF", save_all=True, append_images=[images[1].quantize(32)], loop=0)
    several = "several frames"
    return [
        Poison("animated.gif", gif, np.asarray(palette.convert("RGB")), note=several),
        Poison("animated.webp", encoded(images[0], "WEBP", lossless=True, **options), first, note=several),
        Poison("animated.png", encoded(images[0], "PNG", **options), first, note=several),
        Poison("pages.tif", encoded(images[0], "TIFF", **options), first, note=several),
        Poison(
            "two.mpo", encoded(images[0], "MPO", quality=98, subsampling=0, **options), first, tolerance=6, note=several
        ),
    ]


def _rotated(picture: U8, turns: int) -> U8:
    return np.asarray(np.rot90(picture, turns), np.uint8)


def _swapped(picture: U8) -> U8:
    return np.asarray(picture.swapaxes(0, 1), np.uint8)


TURNS: dict[int, Callable[[U8], U8]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: _swapped(a),
    6: lambda a: _rotated(a, 1),
    7: lambda a: _swapped(a[::-1, ::-1]),
    8: lambda a: _rotated(a, -1),
}
"""How a camera stores an upright picture under each EXIF orientation."""


def _oriented() -> list[Poison]:
    upright = ramp()
    made: list[Poison] = []
    for orientation, turn in TURNS.items():
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        stored = np.ascontiguousarray(turn(upright))
        for kind, tolerance, options in (
            ("PNG", 0, {"exif": exif}),
            ("JPEG", 6, {"exif": exif, "quality": 98, "subsampling": 0}),
            ("WEBP", 0, {"exif": exif, "lossless": True}),
            ("TIFF", 0, {"tiffinfo": {ORIENTATION: orientation}}),
        ):
            data = encoded(stored, kind, **options)
            made.append(Poison(f"exif-{orientation}.{kind.lower()}", data, upright, tolerance=tolerance))
    damaged = encoded(upright, "JPEG", quality=98, subsampling=0, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    return [*made, Poison("exif-damaged.jpg", damaged, upright, tolerance=6)]


def _profiles() -> list[Poison]:
    colours = ramp()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = swapped_profile(srgb)
    turned = np.ascontiguousarray(colours[..., [0, 2, 1]])
    lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    soft = (colours // 2 + 64).astype(np.uint8)
    in_lab = ImageCms.applyTransform(Image.fromarray(soft), lab)
    assert in_lab is not None
    return [
        Poison("profile-srgb.png", encoded(colours, "PNG", icc_profile=srgb), colours),
        Poison("profile-swapped.png", encoded(colours, "PNG", icc_profile=swapped), turned, tolerance=3),
        Poison("profile-broken.png", encoded(colours, "PNG", icc_profile=b"no profile"), colours, note="profile"),
        Poison("profile-cut.png", encoded(colours, "PNG", icc_profile=srgb[:200]), colours, note="profile"),
        Poison("profile-grey.png", encoded(colours[..., 0], "PNG", icc_profile=srgb), grey_rgb(colours[..., 0])),
        Poison("lab.tif", encoded(in_lab, "TIFF"), soft, tolerance=14),
    ]


def swapped_profile(srgb: bytes) -> bytes:
    """Profile whose green and blue primaries are exchanged, so that ignoring it is plain to see."""
    table = bytearray(srgb)
    count = struct.unpack(">I", srgb[128:132])[0]
    for at in range(132, 132 + 12 * count, 12):
        names = {b"gXYZ": b"bXYZ", b"bXYZ": b"gXYZ"}
        tag = bytes(table[at : at + 4])
        table[at : at + 4] = names.get(tag, tag)
    return bytes(table)


def _other_formats() -> list[Poison]:
    text = PngInfo()
    text.add_itxt("workflow", "ä" * 5000)
    made = [Poison("text.png", encoded(ramp(), "PNG", pnginfo=text), ramp())]
    if "avif" in features.get_supported():
        made.append(Poison("still.avif", encoded(ramp(48, 64), "AVIF", quality=95), ramp(48, 64), tolerance=12))
    else:
        head = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(64)
        made.append(Poison("still.avif", head, reason="AVIF"))
    return made
