"""Names of maps: no two inputs want one, whatever their order."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.command_line import entries, picture

from underdrawing.core.batch.inputs import Source
from underdrawing.core.batch.names import plan_names
from underdrawing.core.batch.outputs import Outputs
from underdrawing.core.errors import BadImage

if TYPE_CHECKING:
    from tests.support.command_line import Run

ROOT = Path("/data").absolute()


def make_source(root: str, folder: str, stem: str, ending: str) -> Source:
    return Source(ROOT / root / folder / f"{stem}{ending}", Path(folder), Path(folder))


SOURCES = st.builds(
    make_source,
    st.sampled_from(["A", "B", "B/C"]),
    st.sampled_from(["", "sub"]),
    st.sampled_from(["1", "2"]),
    st.sampled_from([".png", ".jpg"]),
)


def test_another_process_may_replace_maps_whose_file_numbers_are_used_again(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path, [], lambda _: True)
    first, second = tmp_path / "1.canny.png", tmp_path / "2.canny.png"
    first.write_bytes(b"map")
    outputs.add(first.name)
    first.rename(second)  # the same file under another name, as a number that is used again looks
    outputs.check(second.name)
    first.hardlink_to(second)
    with pytest.raises(BadImage, match="case or accents"):
        outputs.check(second.name)


def plan(*sources: Source, refused: str = "") -> list[str]:
    names = plan_names(sources, lambda path: path.suffix != refused)
    return [(names[source].folder / names[source].stem).as_posix() for source in sources]


def test_the_plain_name_where_it_is_free() -> None:
    assert plan(Source(Path("a.jpg")), Source(Path("b.jpg"))) == ["a", "b"]


def test_whole_names_where_stems_are_shared() -> None:
    assert plan(Source(Path("a.jpg")), Source(Path("a.png"))) == ["a.jpg", "a.png"]


def test_a_refused_file_holds_no_name() -> None:
    assert plan(Source(Path("a.heic")), Source(Path("a.jpg")), refused=".heic")[1] == "a"


def test_sub_folders_where_whole_names_are_shared() -> None:
    assert plan(Source(Path("A/1.png")), Source(Path("B/1.png")), Source(Path("B/2.png"))) == ["A/1", "B/1", "B/2"]


@given(st.lists(SOURCES, unique_by=lambda source: source.path, min_size=1, max_size=8), st.integers(0, 9))
def test_names_differ_and_do_not_depend_on_the_order(sources: list[Source], seed: int) -> None:
    names = plan(*sources)
    assert len(set(names)) == len(names)
    mixed = list(range(len(sources)))
    random.Random(seed).shuffle(mixed)
    assert plan(*(sources[at] for at in mixed)) == [names[at] for at in mixed]


def test_phone_exports_give_the_map_of_the_jpeg(run: Run, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "IMG_1.JPG", format="JPEG")
    for name, data in (("IMG_1.HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), ("IMG_1.jxl", b"\xff\x0a" + b"\0" * 40)):
        (tmp_path / "in" / name).write_bytes(data)
    done = run("annotate", "canny", tmp_path / "in", "-o", tmp_path / "out")
    assert done.code == 3
    assert [e["output"] for e in entries(tmp_path / "out") if e["status"] == "done"] == ["IMG_1.canny.png"]


def test_folders_with_equal_names_get_sub_folders(run: Run, tmp_path: Path) -> None:
    for name in ("A/1.png", "B/1.png", "B/2.png"):
        picture(tmp_path / name)
    done = run("annotate", "canny", tmp_path / "A", tmp_path / "B", "-o", tmp_path / "out")
    assert done.code == 0
    assert "its maps go into B" in done.err
    outputs = [e["output"] for e in entries(tmp_path / "out")]
    assert outputs == ["A/1.canny.png", "B/1.canny.png", "B/2.canny.png"]
