from __future__ import annotations

from pathlib import Path

import pytest

from underdrawing.core.weights.advice import add_missing, advise_in_host, build_missing_error
from underdrawing.core.weights.record import Weight

FOLDER = Path("/host/models/underdrawing")
NODES = ("the node `A`", "the node `B`")


def record(file: str, *, pinned: bool = True) -> Weight:
    return Weight(
        repo="a/b",
        file=file,
        sha256="0" * 63 + "1" if pinned else "",
        size=1_000_000 if pinned else 0,
        licence="MIT",
        commercial=True,
    )


@pytest.fixture(autouse=True)
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UNDERDRAWING_DOWNLOAD", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def test_a_host_names_its_nodes_first_then_one_command_for_all_then_its_folder() -> None:
    error = add_missing(build_missing_error(record("x.pth"), "", FOLDER), [record("y.pth")])
    advice = advise_in_host(error, NODES, FOLDER)
    assert advice.fix.startswith(
        "run the node `A` or the node `B`; or `underdrawing weights fetch a/b/x.pth a/b/y.pth`"
    )
    assert advice.fix.endswith(f"or put the files into {FOLDER}")
    assert advice.weights == ("a/b/x.pth", "a/b/y.pth")


def test_a_file_that_nothing_pins_is_declared_and_not_just_put_there() -> None:
    advice = advise_in_host(build_missing_error(record("x.pth", pinned=False), "", FOLDER), NODES, FOLDER)
    assert "put the file" not in advice.fix
    assert "weights import FILE --as a/b/x.pth" in advice.fix


@pytest.mark.parametrize(
    ("name", "value"), [("HF_HUB_OFFLINE", "1"), ("TRANSFORMERS_OFFLINE", "1"), ("UNDERDRAWING_DOWNLOAD", "never")]
)
def test_what_cannot_be_fetched_here_is_not_recommended(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    advice = advise_in_host(build_missing_error(record("x.pth"), "", FOLDER), NODES, FOLDER)
    assert advice.fix.startswith(f"put the file into {FOLDER}; {name} forbids downloads here")
    assert "weights fetch" not in advice.fix


def test_the_file_is_named_once_before_the_advice() -> None:
    error = build_missing_error(record("x.pth"), "", FOLDER)
    assert str(error).partition("Next:")[0].count("x.pth") == 1


def test_a_file_of_that_name_is_offered(tmp_path: Path) -> None:
    (tmp_path / "x.pth").touch()
    error = build_missing_error(record("x.pth", pinned=False), "", FOLDER, [tmp_path / "no", tmp_path / "x.pth"])
    assert f"import '{tmp_path / 'x.pth'}' --as" in error.fix
