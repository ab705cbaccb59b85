from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.web_host import WebHost

from underdrawing.core.errors import BadParameter
from underdrawing.serving.files import find_file, find_free_name, list_files, list_models, name_file, place_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path) -> WebHost:
    for name in ("lora/a.safetensors", "lora/sub/b.pt", "lora/other/b.pt", "lora/notes.txt", "checkpoint/r.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return WebHost(tmp_path)


def test_files_are_listed_with_sub_folder_and_ending(host: WebHost) -> None:
    assert list(list_files(host, "lora")) == ["a.safetensors", "other/b.pt", "sub/b.pt"]
    assert list_models(host, "checkpoint") == []
    assert list_files(host, "vae") == {}


def test_a_file_is_found_by_what_the_list_calls_it_or_without_its_ending(host: WebHost) -> None:
    assert find_file(host, "lora", "sub/b.pt") == host.root / "lora/sub/b.pt"
    assert find_file(host, "lora", "a") == host.root / "lora/a.safetensors"
    assert find_file(host, "checkpoint", "r.json") == host.root / "checkpoint/r.json"
    with pytest.raises(BadParameter, match=r"2 files are called 'b.pt'"):
        find_file(host, "lora", "b.pt")
    with pytest.raises(BadParameter, match=r"no lora file is called 'notes.txt'"):
        find_file(host, "lora", "notes.txt")


def test_links_that_a_user_laid_are_followed(host: WebHost, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "c.safetensors").touch()
    (tmp_path / "lora" / "more").symlink_to(disk, target_is_directory=True)
    assert "more/c.safetensors" in list_files(host, "lora")


def test_new_files_stay_in_their_folder(host: WebHost) -> None:
    assert place_file(host, "pictures", "sub/x.png") == host.root / "pictures/sub/x.png"
    with pytest.raises(BadParameter, match="leaves its folder"):
        place_file(host, "pictures", "../x.png")


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    for expected in ("x.png", "x-1.png", "x-2.png"):
        path = find_free_name(tmp_path, "x", ".png")
        assert path.name == expected
        path.touch()


def test_files_are_named_below_their_folder(host: WebHost, tmp_path: Path) -> None:
    assert name_file(host, "lora", tmp_path / "lora/sub/b.pt") == "sub/b.pt"
    assert name_file(host, "lora", tmp_path / "elsewhere/b.pt") == "b.pt"
