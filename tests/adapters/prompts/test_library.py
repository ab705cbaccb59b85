"""Names find files in the declared folders and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from underdrawing.adapters.prompts.library import Library, resolve
from underdrawing.core.errors import BadParameter, UnderdrawingError, UnknownName

DEV = Path(__file__).resolve().parents[3] / ".dev"


@pytest.fixture
def loras(tmp_path: Path) -> Path:
    folder = tmp_path / "loras"
    (folder / "style" / "deep").mkdir(parents=True)
    (folder / "other").mkdir()
    for name in (
        "plain.safetensors",
        "Case.safetensors",
        "case.safetensors",
        "Alone.safetensors",
        "twin.safetensors",
        "both.safetensors",
        "both.pt",
        "v1.5.safetensors",
        "50% more.pt",
        "notes.txt",
        "style/ink.safetensors",
        "style/deep/ink.safetensors",
        "other/ink.safetensors",
        "other/twin.safetensors",
        "style/only.pt",
        unicodedata.normalize("NFD", "café.pt"),
    ):
        (folder / name).touch()
    (tmp_path / "secret.safetensors").touch()
    return folder


def needs_case(loras: Path) -> None:
    if len([path for path in loras.iterdir() if path.name.lower() == "case.safetensors"]) < 2:
        pytest.skip("this file system does not tell upper from lower case")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("plain", "plain.safetensors"),
        ("plain.safetensors", "plain.safetensors"),
        ("only", "style/only.pt"),
        ("style/only", "style/only.pt"),
        ("style/only.pt", "style/only.pt"),
        ("style/deep/ink", "style/deep/ink.safetensors"),
        ("other/ink", "other/ink.safetensors"),
        ("v1.5", "v1.5.safetensors"),
        ("50% more", "50% more.pt"),
        ("Case", "Case.safetensors"),
        ("case", "case.safetensors"),
        ("ALONE", "Alone.safetensors"),
        ("alone.SAFETENSORS", "Alone.safetensors"),
        ("STYLE/Only", "style/only.pt"),
        ("both.pt", "both.pt"),
        ("both.safetensors", "both.safetensors"),
        ("twin", "twin.safetensors"),
        ("other/twin", "other/twin.safetensors"),
        (unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café.pt")),
    ],
)
def test_a_name_finds_its_file(loras: Path, name: str, found: str) -> None:
    if name.lower() == "case":
        needs_case(loras)
    assert resolve(name, [loras]).relative_to(loras.resolve()).as_posix() == found


@pytest.mark.parametrize(
    ("name", "candidates"),
    [("ink", ["style/ink", "style/deep/ink", "other/ink"]), ("both", ["both.pt"]), ("CASE", ["Case.", "case."])],
)
def test_an_ambiguous_name_lists_its_candidates(loras: Path, name: str, candidates: list[str]) -> None:
    if name == "CASE":
        needs_case(loras)
    with pytest.raises(BadParameter) as caught:
        resolve(name, [loras])
    assert all(candidate in caught.value.what for candidate in candidates)


def test_an_unknown_name_gets_the_nearest(loras: Path) -> None:
    with pytest.raises(UnknownName, match="plain"):
        resolve("plian", [loras])
    with pytest.raises(UnknownName):
        resolve("notes", [loras])
    with pytest.raises(UnknownName):
        resolve("x", [loras / "missing"])


def test_aliases_come_after_file_names(loras: Path) -> None:
    aliases = {
        loras / "style/only.pt": "Trained",
        loras / "Alone.safetensors": "plain",
        loras / "v1.5.safetensors": "None",
    }
    assert resolve("Trained", [loras], aliases=aliases).name == "only.pt"
    assert resolve("trained", [loras], aliases=aliases).name == "only.pt"
    assert resolve("plain", [loras], aliases=aliases).name == "plain.safetensors"
    with pytest.raises(UnknownName):
        resolve("None", [loras], aliases=aliases)


def test_a_shared_alias_is_ambiguous(loras: Path) -> None:
    aliases = {loras / "style/only.pt": "last", loras / "Alone.safetensors": "last"}
    with pytest.raises(BadParameter, match="may mean 2 files"):
        resolve("last", [loras], aliases=aliases)


def test_the_same_name_in_two_folders_is_ambiguous(loras: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "plain.safetensors").touch()
    with pytest.raises(BadParameter, match="may mean 2 files"):
        resolve("plain", [loras, tmp_path / "more"])


def test_files_of_one_name_are_told_by_their_paths(loras: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "plain.safetensors").touch()
    with pytest.raises(BadParameter) as caught:
        resolve("plain", [loras, tmp_path / "more"])
    assert repr(str(tmp_path / "more" / "plain.safetensors")) in caught.value.what
    assert "extension" not in caught.value.fix


def test_spare_folders_count_where_the_others_have_no_such_file(loras: Path, tmp_path: Path) -> None:
    spare = tmp_path / "spare"
    spare.mkdir()
    for name in ("PLAIN.safetensors", "more.safetensors"):
        (spare / name).touch()
    library = Library.scan([loras], spare=[spare])
    assert library.find("plain").parent == loras.absolute()
    assert library.find("more").parent == spare


def test_a_folder_inside_another_is_no_second_file(loras: Path) -> None:
    assert resolve("only", [loras, loras / "style"]).name == "only.pt"


HOSTILE = [
    "",
    " ",
    ".",
    "..",
    "...",
    "../secret",
    "../secret.safetensors",
    "../../secret",
    "style/../../secret",
    "style/../plain",
    "./plain",
    "style/./only",
    "style//only",
    "/etc/passwd",
    "//server/share/x",
    "/plain",
    "plain/",
    "..\\secret",
    "style\\only",
    "\\\\server\\share\\x",
    "\\\\?\\C:\\x",
    "\\\\.\\pipe\\x",
    "C:\\secret",
    "C:/secret",
    "C:secret",
    "c:",
    "plain:stream",
    "plain.safetensors::$DATA",
    "file:///etc/passwd",
    "http://example.org/x",
    "~",
    "~/secret",
    "~root/secret",
    "%2e%2e%2fsecret",
    "%2e%2e/secret",
    "..%2fsecret",
    "..%5csecret",
    "%5c%5cserver%5cx",
    "..%c0%afsecret",
    "..%252fsecret",
    "$HOME/secret",
    "${HOME}/secret",
    "%USERPROFILE%/secret",
    "\0",
    "plain\0",
    "plain\0.png",
    "../secret\0.safetensors",
    "plain\n",
    "plain\r\n",
    "pl\tain",
    "\x1b[31mplain",
    "\x7fplain",
    "\u202enialp",
    "\u2066plain\u2069",
    "pla\u200bin",
    "\ufeffplain",
    "plain\u2028",
    "\ud800plain",
    "CON",
    "con.safetensors",
    "NUL",
    "style/nul.txt",
    "PRN",
    "AUX.pt",
    "COM1",
    "lpt9.safetensors",
    "COM¹",
    "CONIN$",
    "plain.",
    "plain..",
    "plain ",
    " plain",
    "style /only",
    "style./only",
    "plain.safetensors.",
    "x" * 256,
    "é" * 128,
    "x/" * 600 + "x",
    "a/" * 100000 + "a",
    "x" * 1000000,
    "pla*",
    "pl?in",
    "pl[a]in",
    "**/only",
    "plain|cat",
    "<plain>",
    "plain\"",
    "；../secret",
    "．．/secret",
    "‥/secret",
    "..／secret",
    "..∕secret",
    "../loras/plain",
    "loras/plain",
]  # fmt: skip


def test_there_are_enough_hostile_names() -> None:
    assert len(set(HOSTILE)) == len(HOSTILE) >= 60


def links(loras: Path) -> None:
    try:
        (loras / "linked file.safetensors").symlink_to(loras.parent / "secret.safetensors")
        (loras / "linked out.safetensors").symlink_to("../secret.safetensors")
        (loras / "linked folder").symlink_to(loras.parent, target_is_directory=True)
    except OSError:
        pytest.skip("no links can be made here")


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:40])
def test_a_hostile_name_finds_nothing(loras: Path, name: str) -> None:
    links(loras)
    with pytest.raises(UnderdrawingError) as caught:
        resolve(name, [loras])
    assert isinstance(caught.value, BadParameter | UnknownName)
    assert caught.value.fix
    assert len(str(caught.value)) < 700 or name == "x" * 1000000
    assert str(caught.value).isprintable()


def test_a_link_that_stays_inside_is_followed(loras: Path) -> None:
    links(loras)
    (loras / "shortcut.safetensors").symlink_to(loras / "plain.safetensors")
    assert resolve("shortcut", [loras]).name == "shortcut.safetensors"
    (loras / "dangling.safetensors").symlink_to(loras / "gone.safetensors")
    with pytest.raises(UnknownName):
        resolve("dangling", [loras])


@pytest.mark.parametrize("name", ["linked out", "linked file", "linked folder/secret"])
def test_what_the_user_linked_is_found_wherever_it_leads(loras: Path, name: str) -> None:
    links(loras)
    assert resolve(name, [loras]).resolve() == (loras.parent / "secret.safetensors").resolve()


def test_links_that_form_a_loop_end(loras: Path) -> None:
    links(loras)
    (loras / "again").symlink_to(loras, target_is_directory=True)
    found = [entry.relative for entry in Library.scan([loras]).entries]
    assert found.count("plain") == 1
    assert not [name for name in found if name.startswith("again/")]


WATCH = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from underdrawing.adapters.prompts.library import Library
from underdrawing.core.errors import UnderdrawingError
import json, encodings.idna, stringprep, difflib, encodings.unicode_escape
names = json.loads(sys.argv[3]) + ["plain", "ink", "style/only"]
folder = Path(sys.argv[2])
seen = []
watched = {"open", "os.listdir", "os.scandir"}
sys.addaudithook(lambda event, args: seen.append((event, str(args[0]))) if event in watched else None)
for name in names:
    try:
        Library.scan([folder]).find(name)
    except UnderdrawingError:
        pass
opened = [what for what in seen if what[0] == "open"]
outside = [what for what in seen if what[0] != "open" and not Path(what[1]).is_relative_to(folder)]
print(len(seen), opened, outside)
"""


def test_no_name_opens_anything(loras: Path) -> None:
    import json

    links(loras)
    names = json.dumps([name for name in HOSTILE if len(name) < 2000])
    done = subprocess.run(
        [sys.executable, "-c", WATCH, str(DEV), str(loras), names], capture_output=True, text=True, check=True
    )
    count, rest = done.stdout.split(" ", 1)
    assert int(count) > len(HOSTILE)
    assert rest.strip() == "[] []"


def test_a_library_is_scanned_once(loras: Path) -> None:
    library = Library.scan([loras])
    (loras / "late.safetensors").touch()
    with pytest.raises(UnknownName):
        library.find("late")
    assert library.find("plain").parent == Path(os.path.realpath(loras))
