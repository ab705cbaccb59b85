"""Which file is the mask of which input."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.support.command_line import entries, picture

from underdrawing.core.batch.inputs import expand_inputs
from underdrawing.core.batch.mask_pairing import ENDINGS, MaskFolder
from underdrawing.core.batch.names import plan_names
from underdrawing.core.errors import BadImage

if TYPE_CHECKING:
    from tests.support.command_line import Run


def pair(root: Path, images: str, masks: str, *, recursive: bool = True) -> dict[str, str]:
    """Input below its folder → its mask below the folder of masks, "" without one, or "?" where in doubt."""
    inputs = expand_inputs((str(root / images),), recursive=recursive, is_map=lambda _: False, origins={})
    names = plan_names(inputs.sources, lambda _: True)
    folder = MaskFolder(root / masks, names, lambda _: True)
    found: dict[str, str] = {}
    for source in names:
        key = source.path.relative_to(root / images).as_posix()
        try:
            match = folder.find(source)
            found[key] = match.path.relative_to(root / masks).as_posix() if match else ""
        except BadImage as error:
            found[key] = f"? {error.what}"
    return found


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["img/a.png", "masks/a.png"], {"a.png": "a.png"}),
        (["img/a.jpg", "masks/a.PNG"], {"a.jpg": "a.PNG"}),
        (["img/a.jpg", "masks/a.jpg.png"], {"a.jpg": "a.jpg.png"}),
        (["img/a.jpg", "masks/a_mask.png"], {"a.jpg": "a_mask.png"}),
        (["img/a.jpg", "masks/a-MASK.webp"], {"a.jpg": "a-MASK.webp"}),
        (["img/a.jpg", "masks/a.mask.png"], {"a.jpg": "a.mask.png"}),
        (["img/a.jpg", "masks/a.txt", "masks/a.json", "masks/.a.png"], {"a.jpg": ""}),
        (["img/a.jpg", "masks/ab.png", "masks/a_masks.png"], {"a.jpg": ""}),
        (
            ["img/s.png", "img/sub/s.png", "masks/s.png", "masks/sub/s.png"],
            {"s.png": "s.png", "sub/s.png": "sub/s.png"},
        ),
        (["img/sub/s.png", "masks/s.png"], {"sub/s.png": "s.png"}),
        (["img/a.jpg", "img/a.png", "masks/a.jpg", "masks/a.png"], {"a.jpg": "a.jpg", "a.png": "a.png"}),
        (["img/a.jpg", "img/a.png", "masks/a.png"], {"a.jpg": "", "a.png": "a.png"}),
        (
            ["img/a.png", "img/a_mask.png", "masks/a.png", "masks/a_mask.png"],
            {"a.png": "a.png", "a_mask.png": "a_mask.png"},
        ),
    ],
)
def test_masks_are_found_by_the_names_of_pictures(tmp_path: Path, files: list[str], expected: dict[str, str]) -> None:
    touch(tmp_path, *files)
    assert pair(tmp_path, "img", "masks") == expected


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["img/a.png", "masks/a.png", "masks/a_mask.png"], ["a.png", "a_mask.png"]),
        (["img/a.tif", "masks/a.png", "masks/a.jpg"], ["a.png", "a.jpg"]),
        (["img/a.png", "masks/a-mask.png", "masks/a.mask.png"], ["a-mask.png", "a.mask.png"]),
        (["img/x/s.png", "img/y/s.png", "masks/s.png"], ["s.png", "x/s.png"]),
        (["img/a.jpg", "img/a.png", "masks/a.bmp"], ["a.bmp", "a.jpg"]),
    ],
)
def test_doubt_is_an_error_that_names_both(tmp_path: Path, files: list[str], names: list[str]) -> None:
    touch(tmp_path, *files)
    said = list(pair(tmp_path, "img", "masks").values())[-1]
    assert said.startswith("? ")
    assert all(name in said for name in names)


def test_an_input_is_never_its_own_mask(tmp_path: Path) -> None:
    touch(tmp_path, "same/a.png", "same/a_mask.png", "same/b.jpg", "same/b.png")
    assert pair(tmp_path, "same", "same") == {"a.png": "a_mask.png", "a_mask.png": "", "b.jpg": "", "b.png": ""}


STEMS = st.sampled_from(["a", "b", "a_mask", "a.mask", "a-mask", "b_MASK", "a.png", "mask"])
FOLDERS = st.sampled_from(["", "", "sub/", "sub/deep/"])
FILES = st.tuples(FOLDERS, STEMS, st.sampled_from([".png", ".jpg", ".txt", ".JPG"])).map("".join)


@given(st.sets(FILES, min_size=1, max_size=6), st.sets(FILES, max_size=8), st.booleans())
def test_pairs_keep_the_rule(images: set[str], masks: set[str], inside: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        where = "img" if inside else "masks"
        touch(root, *(f"img/{name}" for name in images), *(f"{where}/{name}" for name in masks))
        found = pair(root, "img", where)
        paths = [mask for mask in found.values() if mask and not mask.startswith("? ")]
        for name, mask in found.items():
            if not mask or mask.startswith("? "):
                continue
            source, path = Path(name), Path(mask)
            assert not (inside and mask == name), "an input is never its own mask"
            assert path.suffix.lower() in (".png", ".jpg")
            means = {path.stem} | {path.stem[: -len(e)] for e in ENDINGS if path.stem.lower().endswith(e)}
            assert means & {source.stem, source.name}
            same = path.with_name(source.name).as_posix()
            if (root / where / name).is_file() and not inside:
                assert path.parent == source.parent, f"{same}: the same relative place comes first"
        assert len(set(paths)) == len(paths), "no mask serves two inputs"
        assert found == pair(root, "img", where)


@given(st.sets(st.sampled_from(["x", "y/x", "y/z/x", "z/x"]), min_size=1))
def test_a_tree_of_masks_like_the_tree_of_pictures_fits(names: set[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        touch(root, *(f"img/{name}.jpg" for name in names), *(f"masks/{name}.png" for name in names))
        assert pair(root, "img", "masks") == {f"{name}.jpg": f"{name}.png" for name in names}


def test_masks_in_the_folder_of_inputs_are_left_out_and_counted(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    picture(data / "a.png")
    picture(data / "a_mask.png", seed=1)
    picture(data / "b.png", seed=2)
    picture(data / "masks" / "b.png", seed=3)
    same = run("annotate", "inpaint", data, "-o", tmp_path / "same", "--mask", data)
    assert [Path(e["input"]).name for e in entries(tmp_path / "same") if e["status"] != "passed over"] == [
        "a.png",
        "b.png",
    ]
    assert "1 mask" in same.err
    inner = run("annotate", "inpaint", data, "-o", tmp_path / "inner", "--mask", data / "masks", "--recursive")
    done = [e for e in entries(tmp_path / "inner") if e["status"] == "done"]
    assert [(Path(e["input"]).name, Path(e["mask"]["from"]).name) for e in done] == [("b.png", "b.png")]
    assert "1 mask" in inner.err
    alone = run("annotate", "inpaint", data / "a.png", "-o", tmp_path / "alone", "--mask", data / "a.png")
    assert alone.code == 3
    assert "cannot be its own mask" in alone.err


def test_a_mask_made_here_is_found_by_its_mark(run: Run, tmp_path: Path) -> None:
    photo = picture(tmp_path / "in" / "a.png")
    run("annotate", "threshold", photo, "-o", tmp_path / "masks", "--match-input")
    assert run("annotate", "inpaint", photo, "-o", tmp_path / "out", "--mask", tmp_path / "masks").code == 0
    assert Path(entries(tmp_path / "out")[0]["mask"]["from"]).name == "a.threshold.png"


def test_frames_have_masks_of_their_own(run: Run, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (20, 20), (shade, 0, 0)) for shade in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    half = np.zeros((20, 20), np.uint8)
    half[:10] = 255
    (tmp_path / "masks").mkdir()
    Image.fromarray(half).save(tmp_path / "masks" / "a.png")
    Image.fromarray(255 - half).save(tmp_path / "masks" / "a.0001.png")
    run("annotate", "inpaint", tmp_path / "a.gif", "-o", tmp_path / "out", "--mask", tmp_path / "masks", "--all-frames")
    assert [Path(e["mask"]["from"]).name for e in entries(tmp_path / "out")] == ["a.png", "a.0001.png"]


def test_a_mask_in_a_folder_named_as_the_pictures_is_told(run: Run, tmp_path: Path) -> None:
    photo = picture(tmp_path / "img" / "s" / "a.png")
    masks = picture(tmp_path / "masks" / "a.png", seed=1).parent
    other = picture(masks / "s" / "a.png", seed=2)
    done = run("annotate", "inpaint", photo, "-o", tmp_path / "out", "--mask", masks)
    assert f"its mask was taken from {masks / 'a.png'}, and not from {other}" in done.err
    every = run("annotate", "inpaint", photo.parent.parent, "-o", tmp_path / "all", "--mask", masks, "--recursive")
    assert "taken from" not in every.err


def test_a_mask_that_is_another_pictures_is_named(run: Run, tmp_path: Path) -> None:
    for name in ("gas.png", "gas_mask.png"):
        picture(tmp_path / "img" / name)
    masks = picture(tmp_path / "masks" / "gas_mask.png", seed=1).parent
    done = run("annotate", "inpaint", tmp_path / "img", "-o", tmp_path / "out", "--mask", masks)
    assert "gas_mask.png cannot be told from a picture or the mask of another one" in done.err
