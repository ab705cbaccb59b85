from __future__ import annotations

import io
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, features
from tests.support import poison

from underdrawing.core.errors import BadImage, BadParameter
from underdrawing.core.images import opening
from underdrawing.core.images.formats.plugins import read_jxl_size
from underdrawing.core.images.reading import decode_file, decode_pillow, iter_frames, read_pictures

CORPUS = {one.name: one for one in poison.corpus()}
WHOLE = [one for one in CORPUS.values() if one.expected is not None and len(one.data) < 4000]


def put(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(CORPUS[name].data)
    return path


@pytest.mark.parametrize(
    "name", ["16-grey.png", "16-grey.tif", "16-grey-big.tif", "16-rgb.png", "32-int.tif", "float.tif"]
)
def test_sixteen_bits_keep_their_levels(tmp_path: Path, name: str) -> None:
    pixels = read_pictures(put(tmp_path, name))[0].pixels
    assert len(np.unique(pixels[..., 0])) >= 255


@pytest.mark.parametrize("name", sorted(one.name for one in WHOLE))
def test_a_file_in_memory_is_read_like_one_on_disk(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, name)
    assert np.array_equal(decode_file(path.read_bytes(), name).pixels, read_pictures(path)[0].pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_gives_the_same_picture(tmp_path: Path, orientation: int) -> None:
    assert np.array_equal(read_pictures(put(tmp_path, f"exif-{orientation}.png"))[0].pixels, poison.ramp())
    assert np.array_equal(read_pictures(put(tmp_path, f"exif-{orientation}.webp"))[0].pixels, poison.ramp())
    assert np.array_equal(read_pictures(put(tmp_path, f"exif-{orientation}.tiff"))[0].pixels, poison.ramp())


@pytest.mark.skipif("avif" not in features.get_supported(), reason="this Pillow has no AVIF")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_avif(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(poison.TURNS[orientation](poison.ramp(48, 64)))
    Image.fromarray(stored).save(tmp_path / "a.avif", exif=exif, quality=95)
    assert np.abs(read_pictures(tmp_path / "a.avif")[0].pixels.astype(int) - poison.ramp(48, 64)).max() <= 16


def test_orientation_turns_the_alpha_too(tmp_path: Path) -> None:
    alpha = poison.ramp()[..., 1]
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = np.rot90(np.dstack([poison.ramp(), alpha]))
    Image.fromarray(np.ascontiguousarray(turned)).save(tmp_path / "a.png", exif=exif)
    got = read_pictures(tmp_path / "a.png")[0]
    assert got.alpha is not None
    assert np.array_equal(got.alpha, alpha)


@pytest.mark.parametrize("name", ["animated.gif", "animated.webp", "animated.png", "pages.tif", "two.mpo"])
def test_all_frames(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, name)
    first, second = read_pictures(path, all_frames=True)
    single = read_pictures(path)[0]
    assert np.array_equal(first.pixels, single.pixels)
    assert np.abs(second.pixels.astype(int) - poison.ramp()[::-1, ::-1]).max() <= (60 if name.endswith("gif") else 16)
    assert "several frames" in " ".join(single.notes)
    assert "several frames" not in " ".join(first.notes)
    assert len(list(iter_frames(path))) == 2


def test_a_profile_is_named_when_ignored(tmp_path: Path) -> None:
    assert "profile was ignored" in read_pictures(put(tmp_path, "profile-broken.png"))[0].notes[0]


def test_a_grey_picture_with_a_colour_profile_of_another_space(tmp_path: Path) -> None:
    cmyk = Image.new("CMYK", (4, 4), (0, 0, 0, 0))
    data = poison.encoded(cmyk, "TIFF", icc_profile=CORPUS_SRGB)
    (tmp_path / "x.tif").write_bytes(data)
    notes = " ".join(read_pictures(tmp_path / "x.tif")[0].notes)
    assert "the picture is CMYK" in notes


CORPUS_SRGB = Image.open(io.BytesIO(CORPUS["profile-srgb.png"].data)).info["icc_profile"]


def test_pillow_pictures_decode_like_files(tmp_path: Path) -> None:
    for name in (
        "palette-trns.png",
        "exif-6.tiff",
        "exif-6.jpeg",
        "profile-swapped.png",
        "16-grey.png",
        "animated.gif",
    ):
        path = put(tmp_path, name)
        with Image.open(path) as opened:
            assert np.array_equal(decode_pillow(opened).pixels, read_pictures(path)[0].pixels)


@pytest.mark.parametrize("name", [n for n in CORPUS if n.startswith(("65", "20000", "2147"))])
def test_own_limit_without_pillows(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts switch Pillow's limit off."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(BadImage, match="more than 100 megapixels"):
        read_pictures(put(tmp_path, name))


@pytest.mark.parametrize("name", ["cut.png", "cut.jpg", "cut-header.jpg"])
def test_truncated_is_refused_where_hosts_let_pillow_guess(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(BadImage):
        read_pictures(put(tmp_path, name))


def test_nothing_of_pillow_or_warnings_is_changed(tmp_path: Path) -> None:
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        inside = list(warnings.filters)
        for name in CORPUS:
            try:
                read_pictures(put(tmp_path, name))
            except BadImage:
                continue
        assert list(warnings.filters) == inside
    assert not leaked
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))


def test_between_our_limit_and_pillows_warning(tmp_path: Path) -> None:
    """90 to 100 megapixels: Pillow warns, we decode; the warning stays inside (only the header is looked at here)."""
    data = poison.raw_png((10001, 10000), 8, 2, bytes(31))
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(BadImage, match="100 megapixels"):
        read_pictures(tmp_path / "a.png")


def test_places_that_hold_no_picture(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="folder"):
        read_pictures(tmp_path)
    with pytest.raises(BadImage, match="no such file"):
        read_pictures(tmp_path / "missing.png")
    with pytest.raises(BadImage, match=r"cannot be opened|no such file"):
        read_pictures("nul\0byte.png")
    with pytest.raises(BadImage, match=r"cannot be opened|no such file"):
        read_pictures(tmp_path / ("x" * 5000))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BadImage, match="not a regular file"):
        read_pictures(tmp_path / "pipe.png")


def test_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    path = put(tmp_path, "rgb.png")
    monkeypatch.setattr(opening, "open_regular_file", refuse)
    with pytest.raises(BadImage, match="may not be read"):
        read_pictures(path)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".gif", ".webp", ".bmp"])
def test_the_pixel_limit_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    Image.new("RGB", (1300, 1000)).save(path)
    monkeypatch.setenv("UNDERDRAWING_MAX_MEGAPIXELS", "1.2")
    with pytest.raises(BadImage, match=r"more than 1.2 megapixels.*UNDERDRAWING_MAX_MEGAPIXELS"):
        read_pictures(path)
    monkeypatch.setenv("UNDERDRAWING_MAX_MEGAPIXELS", "1.3")
    assert read_pictures(path)[0].pixels.shape == (1000, 1300, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)  # as Pillow's own stands to 300 megapixels
    monkeypatch.setenv("UNDERDRAWING_MAX_MEGAPIXELS", "300")
    assert read_pictures(path)[0].pixels.shape == (1000, 1300, 3)
    assert Image.MAX_IMAGE_PIXELS == 10_000
    monkeypatch.setenv("UNDERDRAWING_MAX_MEGAPIXELS", "many")
    with pytest.raises(BadParameter, match="UNDERDRAWING_MAX_MEGAPIXELS"):
        read_pictures(path)


@pytest.mark.parametrize("name", ["https://example.org/a.png", "http:/example.org/a.png", "s3://bucket/a.png"])
def test_urls_are_named(name: str) -> None:
    for path in (name, Path(name)):
        with pytest.raises(BadImage, match="this is a URL, and nothing is downloaded"):
            read_pictures(path)


@pytest.mark.parametrize(
    "head",
    [
        b"\0\0\0\x20ftypisom",
        b"\0\0\0\x14ftypqt  ",
        b"\0\0\0\x08wide\0\0",
        b"\x1a\x45\xdf\xa3",
        b"RIFF\0\0\0\0AVI LIST",
        b"\0\0\x01\xba",
        b"FLV\x01",
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        b"OggS",
        b"G@\0\x10",
    ],
)
def test_videos_are_named_with_the_command(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "my clip.ts"
    path.write_bytes(head + bytes(64))
    with pytest.raises(BadImage, match=r"this is a video.*ffmpeg -i \".*my clip.ts\" \".*my clip_frames/%06d.png\""):
        read_pictures(path)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"\xff\x0a\x4f\x00" + bytes(12), (64, 64)),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\0jxlc\xff\x0a\x4f\x00" + bytes(12), (64, 64)),
        (b"\xff\x0a" + bytes(4), None),
        (b"\0\0\0\x0cJXL \r\n\x87\n", None),
    ],
)
def test_sizes_of_jpeg_xl_are_read_before_a_decoder(data: bytes, size: tuple[int, int] | None) -> None:
    assert read_jxl_size(io.BytesIO(data)) == size


@pytest.mark.parametrize(
    ("data", "package"),
    [(b"\xff\x0a" + bytes(40), "pillow-jxl-plugin"), (b"\0\0\0\x18ftypheic" + bytes(40), "pillow-heif")],
)
def test_missing_plugins_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, package: str) -> None:
    for module in ("pillow_jxl", "pillow_heif"):
        monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "a.bin").write_bytes(data)
    with pytest.raises(BadImage, match=f"pip install {package}"):
        read_pictures(tmp_path / "a.bin")


def test_a_missing_decoder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.AvifImagePlugin", None)
    monkeypatch.delitem(Image.OPEN, "AVIF", raising=False)
    (tmp_path / "a.avif").write_bytes(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(64))
    with pytest.raises(BadImage, match=r"pillow>=11\.3"):
        read_pictures(tmp_path / "a.avif")


def test_no_other_plug_in_is_reached() -> None:
    """Reading does not load Pillow's plug-ins that start programs."""
    code = "import sys; from underdrawing.core.images.reading import read_pictures; read_pictures(sys.argv[1]); "
    code += "print('PIL.EpsImagePlugin' in sys.modules)"
    dev = next(place / ".dev" for place in Path(__file__).parents if (place / ".dev").exists())
    source = next(Path(__file__).parents[2].glob("golden/**/*.png"))
    environment = {**os.environ, "PYTHONPATH": str(dev)}
    told = subprocess.run(
        [sys.executable, "-c", code, str(source)], env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "False"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(WHOLE), st.data())
def test_damaged_files_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, one: poison.Poison, data: st.DataObject
) -> None:
    """Bytes changed at random, or an end cut off: a picture or BadImage, never another error."""
    spoilt = bytearray(one.data)
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(spoilt) - 1), st.integers(0, 255)), max_size=6)):
        spoilt[at] = value
    if data.draw(st.booleans()):
        spoilt = spoilt[: data.draw(st.integers(0, len(spoilt)))]
    path = tmp_path_factory.getbasetemp() / f"spoilt-{one.name}"
    path.write_bytes(spoilt)
    try:
        pictures = read_pictures(path, all_frames=True)
    except BadImage:
        return
    assert all(picture.pixels.dtype == np.uint8 for picture in pictures)
