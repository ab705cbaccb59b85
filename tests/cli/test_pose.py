"""``underdrawing pose``: drawing and changing poses of files."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from underdrawing.core.poses.drawing import COLOURS, draw_pose
from underdrawing.core.poses.edit import mirror
from underdrawing.core.poses.files import read_poses
from underdrawing.core.poses.reading import from_openpose

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import Run


def document(share: bool = True, people: int = 1, **more: Any) -> dict[str, Any]:
    """OpenPose JSON of a row of people; share: coordinates from 0 to 1."""
    x, y = (200, 100) if not share else (1, 1)
    bodies = [
        [n for i in range(18) for n in ((0.1 + 0.2 * p + 0.01 * i) * x, (0.1 + 0.04 * i) * y, 1.0)]
        for p in range(people)
    ]
    return {
        "people": [{"pose_keypoints_2d": body} for body in bodies],
        "canvas_width": 200,
        "canvas_height": 100,
        **more,
    }


def saved(folder: Path, data: Any, name: str = "pose.json") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(data if isinstance(data, str) else json.dumps(data), "utf-8")
    return path


def pixels(path: Path) -> Any:
    with Image.open(path) as picture:
        return np.array(picture)


@pytest.mark.parametrize("share", [True, False])
def test_files_of_both_conventions_are_drawn(run: Run, tmp_path: Path, share: bool) -> None:
    done = run("pose", "render", saved(tmp_path, document(share)), "-o", tmp_path / "maps")
    assert (done.code, done.err) == (0, "")
    assert done.out.strip() == str(tmp_path / "maps" / "pose.png")
    found = pixels(tmp_path / "maps" / "pose.png")
    assert np.array_equal(found, draw_pose(from_openpose(document(share))))
    assert found[10, 20].tolist() == list(COLOURS[0])


def test_a_list_gives_a_map_for_each(run: Run, tmp_path: Path) -> None:
    file = saved(tmp_path, [document(people=1), document(people=2)])
    assert run("pose", "render", file, "-o", tmp_path / "maps").code == 0
    one, two = (pixels(tmp_path / "maps" / f"pose_{number:05}.png") for number in (1, 2))
    assert (two.any(-1).sum() > one.any(-1).sum()).all()


def test_an_empty_list_is_told(run: Run, tmp_path: Path) -> None:
    done = run("pose", "render", saved(tmp_path, []), "-o", tmp_path / "maps")
    assert (done.code, done.out) == (0, "")
    assert "pose.json holds no poses" in done.err


@pytest.mark.parametrize("command", [("edit", "-o", "out.json"), ("render", "-o", "maps")])
def test_numbers_of_people_that_are_not_there_are_noted(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    verb, option, output = command
    done = run("pose", verb, saved(tmp_path, document(people=2)), option, tmp_path / output, "--people", "2,3,5")
    assert done.code == 0
    assert "nobody with the number 3, 5: people here are 2" in done.err


def test_animals_are_drawn(run: Run, tmp_path: Path) -> None:
    animal = [[5.0 * i + 20, 3.0 * i + 20, 1.0] for i in range(17)]
    data = {"version": "ap10k", "animals": [animal], "canvas_width": 200, "canvas_height": 100}
    run("pose", "render", saved(tmp_path, data), "-o", tmp_path)
    assert pixels(tmp_path / "pose.png").any()
    run("pose", "render", tmp_path / "pose.json", "-o", tmp_path, "--no-animals")
    assert not pixels(tmp_path / "pose.png").any()


def test_size_parts_and_people_are_chosen(run: Run, tmp_path: Path) -> None:
    file = saved(tmp_path, document(people=2))
    run("pose", "render", file, "-o", tmp_path / "a", "--size", "300x400", "--mode", "fill", "--sticks", "xinsir")
    assert pixels(tmp_path / "a" / "pose.png").shape == (400, 300, 3)
    run("pose", "render", file, "-o", tmp_path / "a", "--resolution", "50")
    assert pixels(tmp_path / "a" / "pose.png").shape == (50, 100, 3)
    run("pose", "render", file, "-o", tmp_path / "a", "--no-body")
    assert not pixels(tmp_path / "a" / "pose.png").any()
    run("pose", "render", file, "-o", tmp_path / "a", "--people", "2")
    assert not pixels(tmp_path / "a" / "pose.png")[:, :50].any()


def test_edits_are_written_in_pixels(run: Run, tmp_path: Path) -> None:
    file, out = saved(tmp_path, document()), tmp_path / "new" / "out.json"
    done = run("pose", "edit", file, "-o", out, "--mirror", "--drop", "nose", "--move", "neck=50,60")
    assert (done.code, done.out.strip()) == (0, str(out))
    data = json.loads(out.read_text("utf-8"))
    assert (data["canvas_width"], data["canvas_height"]) == (200, 100)
    body = data["people"][0]["pose_keypoints_2d"]
    assert body[:6] == [0, 0, 0, 50, 60, 1]
    wanted = mirror(from_openpose(document())).people[0].body[4]
    assert wanted is not None
    assert body[12:15] == pytest.approx(list(wanted))


def test_a_map_is_the_same_after_an_edit_of_nothing(run: Run, tmp_path: Path) -> None:
    file = saved(tmp_path, [document(people=3), document(share=False)])
    assert run("pose", "edit", file, "-o", tmp_path / "same.json").code == 0
    assert run("pose", "edit", tmp_path / "same.json", "-o", tmp_path / "again.json").code == 0
    assert (tmp_path / "same.json").read_bytes() == (tmp_path / "again.json").read_bytes()
    assert read_poses(tmp_path / "same.json").is_list
    assert run("pose", "render", file, tmp_path / "same.json", "-o", tmp_path / "maps").code == 0
    for number in ("00001", "00002"):
        one, other = (pixels(tmp_path / "maps" / f"{name}_{number}.png") for name in ("pose", "same"))
        assert np.array_equal(one, other)


def test_confidences_are_those_that_the_hosts_take_unless_kept(run: Run, tmp_path: Path) -> None:
    data = document(share=False)
    data["people"][0]["pose_keypoints_2d"][2::3] = [0.5] * 18
    file, out = saved(tmp_path, data), tmp_path / "out.json"
    for flags, wanted in (((), 1), (("--confidences",), 0.5)):
        assert run("pose", "edit", file, "-o", out, *flags).code == 0
        assert set(json.loads(out.read_text("utf-8"))["people"][0]["pose_keypoints_2d"][2::3]) == {wanted}


def test_a_map_gives_its_poses_back(run: Run, tmp_path: Path) -> None:
    file = saved(tmp_path, document(people=2))
    assert run("pose", "render", file, "-o", tmp_path / "maps", "--size", "300x200").code == 0
    assert run("pose", "edit", tmp_path / "maps" / "pose.png", "-o", tmp_path / "back.json").code == 0
    assert run("pose", "render", tmp_path / "back.json", "-o", tmp_path / "maps").code == 0
    assert np.array_equal(pixels(tmp_path / "maps" / "back.png"), pixels(tmp_path / "maps" / "pose.png"))
    Image.new("RGB", (4, 4)).save(tmp_path / "other.png")
    done = run("pose", "edit", tmp_path / "other.png", "-o", tmp_path / "no.json")
    assert (done.code, done.out) == (1, "")
    assert "does not hold its poses" in done.err


def test_limbs_and_canvas(run: Run, tmp_path: Path) -> None:
    file, out = saved(tmp_path, document()), tmp_path / "out.json"
    args = ("--limb", "legs=2", "--limb", "left_forearm=.5", "--size", "400x200", "--scale", "0.5", "--right", "0.25")
    assert run("pose", "edit", file, "-o", out, *args).code == 0
    (before,), (after,) = (read_poses(path).poses for path in (file, out))
    assert (after.width, after.height) == (400, 200)
    lengths: list[float] = []
    for pose in (before, after):
        hip, knee = (pose.people[0].body[i] for i in (8, 9))
        assert hip is not None
        assert knee is not None
        lengths.append(knee.x - hip.x)
    assert lengths[1] == pytest.approx(lengths[0] * 2 * 0.5 * 2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "this is not JSON"),
        ("[" * 100000, "this is not JSON"),
        ("{}", "not OpenPose JSON"),
        ('[{"people": [], "canvas_width": 5, "canvas_height": 5}, 3]', "pose.json[1]"),
        ('{"people": [], "canvas_width": 99999999, "canvas_height": 99999999}', "more than"),
    ],
)
def test_what_cannot_be_drawn_is_named(run: Run, tmp_path: Path, content: str, said: str) -> None:
    good = saved(tmp_path, document(), "good.json")
    done = run("pose", "render", saved(tmp_path, content), good, "-o", tmp_path / "maps")
    assert done.code == 1
    assert said in done.err
    assert "pose.json" in done.err or said == "more than"
    assert "Traceback" not in done.err
    assert (tmp_path / "maps" / "good.png").is_file()


def test_a_missing_file_is_named(run: Run, tmp_path: Path) -> None:
    done = run("pose", "edit", tmp_path / "no.json", "-o", tmp_path / "out.json")
    assert (done.code, done.out) == (1, "")
    assert "no.json: the file cannot be opened" in done.err


def test_the_input_is_never_overwritten(run: Run, tmp_path: Path) -> None:
    file = saved(tmp_path, document())
    before = file.read_bytes()
    (tmp_path / "link.json").symlink_to(file)
    for target in (file, tmp_path / "link.json", tmp_path / ".." / tmp_path.name / "pose.json"):
        done = run("pose", "edit", file, "-o", target, "--mirror")
        assert done.code == 2
        assert "is the file to read" in done.err
    odd = saved(tmp_path, document(), "odd.png")
    assert run("pose", "render", odd, "-o", tmp_path).code == 1
    assert file.read_bytes() == before
    assert json.loads(odd.read_text("utf-8")) == document()


@pytest.mark.parametrize(
    "args",
    [
        ("--drop", "elbow"),
        ("--move", "nose=1"),
        ("--limb", "legs=0"),
        ("--people", "0"),
        ("--size", "3"),
        ("--scale", "0"),
        ("--mode", "zoom"),
    ],
)
def test_wrong_usage_is_told_and_writes_nothing(run: Run, tmp_path: Path, args: tuple[str, str]) -> None:
    done = run("pose", "edit", saved(tmp_path, document()), "-o", tmp_path / "out.json", *args)
    assert done.code == 2
    assert done.err.strip()
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(("verb", "ending"), [("render", ".png"), ("edit", ".json")])
def test_files_of_one_name_go_into_sub_folders(run: Run, tmp_path: Path, verb: str, ending: str) -> None:
    for folder in ("a", "b"):
        saved(tmp_path / "in" / folder, document())
    done = run("pose", verb, tmp_path / "in" / "**" / "*.json", "-o", tmp_path / "out")
    assert done.code == 0
    files = [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")]
    assert sorted(files) == [f"a/pose{ending}", f"b/pose{ending}"]


def test_two_maps_of_one_name_are_refused(run: Run, tmp_path: Path) -> None:
    file = saved(tmp_path, document())
    done = run("pose", "render", file, shutil.copy(file, file.with_suffix(".txt")), "-o", tmp_path / "maps")
    assert done.code == 2
    assert "the same map" in done.err


def test_the_command_is_listed(run: Run) -> None:
    assert "Draw poses from JSON files" in run("--help").out
    assert "right_wrist" in run("pose", "edit", "--help").out


def test_folders_and_globs_are_drawn(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        saved(tmp_path / "in", document(), f"{name}.json")
    saved(tmp_path / "in", "no", ".hidden.json")
    (tmp_path / "in" / "notes.txt").write_text("no")
    for given in (tmp_path / "in", tmp_path / "in" / "*.json", tmp_path / "in" / "[ab].json"):
        out = tmp_path / f"maps{len(str(given))}"
        done = run("pose", "render", given, "-o", out)
        assert (done.code, done.err) == (0, "")
        assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.png"]
    (tmp_path / "empty").mkdir()
    for given in (tmp_path / "empty", tmp_path / "x*.json"):
        done = run("pose", "render", given, "-o", tmp_path / "maps")
        assert done.code == 1
        assert "no" in done.err


def test_folders_are_edited_into_a_folder(run: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        saved(tmp_path / "in", document(), f"{name}.json")
    done = run("pose", "edit", tmp_path / "in", "-o", tmp_path / "out", "--mirror")
    assert (done.code, done.err) == (0, "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.json", "b.json"]
    before = (tmp_path / "in" / "a.json").read_bytes()
    done = run("pose", "edit", tmp_path / "in", "-o", tmp_path / "in", "--mirror")
    assert done.code == 2
    assert "is the file to read" in done.err
    assert (tmp_path / "in" / "a.json").read_bytes() == before
    done = run("pose", "edit", tmp_path / "in" / "a.json", tmp_path / "in" / "b.json", "-o", tmp_path / "in" / "a.json")
    assert done.code == 2
    assert "name a folder" in done.err


def test_a_size_is_the_canvas_of_poses_that_state_none(run: Run, tmp_path: Path) -> None:
    stated = document(share=False)
    bare = {"version": 1.3, "people": stated["people"]}
    file = saved(tmp_path, bare)
    done = run("pose", "render", file, "-o", tmp_path, "--size", "200x100")
    assert (done.code, done.err) == (0, "")
    assert np.array_equal(pixels(tmp_path / "pose.png"), draw_pose(from_openpose(stated)))
    done = run("pose", "render", file, "-o", tmp_path)
    assert "no canvas is stated" in done.err
    assert run("pose", "edit", file, "-o", tmp_path / "moved.json", "--size", "200x100", "--right", "0.25").code == 0
    moved = json.loads((tmp_path / "moved.json").read_text("utf-8"))
    assert moved["canvas_width"] == 200
    assert moved["people"][0]["pose_keypoints_2d"][0] == pytest.approx(stated["people"][0]["pose_keypoints_2d"][0] + 50)
