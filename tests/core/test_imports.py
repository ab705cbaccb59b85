"""Modules that are not installed, and packages that are there in a version without what is needed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.support.fake_packages import put_package

from underdrawing.core.diagnostics.availability import explain_unavailable
from underdrawing.core.diagnostics.checks import check_annotators
from underdrawing.core.errors import MissingExtra
from underdrawing.core.hooks import HostHooks
from underdrawing.core.imports import describe_broken, describe_lacking, find_lacking
from underdrawing.core.operation import Job, run
from underdrawing.core.weights import search_paths
from underdrawing.core.weights.store import Store
from underdrawing.preprocessors import registry
from underdrawing.preprocessors.operations.weights_fetch import WeightsFetch

OF_A1111 = ("beit", "bit", "convnext", "dpt", "mask2former", "oneformer", "segformer", "swin", "upernet")
"""Models of transformers 4.30 that our annotators use."""
TOO_NEW = {"depth_zoe": "zoedepth", "pose_vitpose": "rt_detr, vitpose"}
"""Annotators → what transformers 4.30 has not."""


def have_transformers_of_a1111(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    parts = [f"models.{name}" for name in OF_A1111]
    put_package(monkeypatch, folder, "transformers", *parts, version="4.30.2", code="raise ImportError('looked into')")


def test_parts_of_a_package_are_found_without_importing_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place = put_package(monkeypatch, tmp_path, "some_package", "parts.first", code="raise ImportError('imported')")
    (place / "parts" / "second.py").touch()
    here = ["some_package", "some_package.parts", "some_package.parts.first", "some_package.parts.second"]
    lacking = ["some_package.parts.third", "some_package.more.first", "no_package", "no_package.part"]
    assert find_lacking([*here, *lacking]) == lacking
    assert "some_package" not in sys.modules


def test_a_file_has_no_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "single_file.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert find_lacking(["single_file", "single_file.part"]) == ["single_file.part"]


def test_modules_that_are_set_by_hand_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "made_by_hand.part", sys)
    assert find_lacking(["cv2", "made_by_hand.part"]) == ["cv2"]


def test_packages_that_are_there_are_never_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    put_package(monkeypatch, tmp_path, "transformers", "models.dpt", version="4.30.2")
    modules = ["no_package", "transformers.models.vitpose", "transformers.models.rt_detr", "no_package.part"]
    what, fix = describe_lacking(modules)
    assert what == "needs no_package; transformers 4.30.2 has no vitpose, rt_detr"
    assert fix.startswith("pip install no_package; ")
    assert "transformers" not in fix.partition(";")[0]


def test_a_hosts_broken_package_is_installed_again_by_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("torch", "transformers", "numpy"):
        assert "pip install" in describe_broken(module, "module compiled against ABI version 1")[1]
    monkeypatch.setattr(search_paths, "_host_roots", [Path("webui")])
    for module in ("torch", "transformers", "numpy"):
        assert (
            "in the version that the host wants" in describe_broken(module, "module compiled against ABI version 1")[1]
        )


def test_annotators_say_what_an_old_transformers_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    have_transformers_of_a1111(monkeypatch, tmp_path)
    reasons = {annotator.spec.id: explain_unavailable(annotator) for annotator in registry}
    for name, reason in reasons.items():
        lacking = TOO_NEW.get(name)
        assert ("transformers" in reason.partition("weights")[0]) is bool(lacking), name
        if lacking:
            assert f"transformers 4.30.2 has no {lacking}" in reason
            assert "pip install" not in reason
            assert "upgrade" not in reason


def test_doctor_warns_of_an_old_transformers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    have_transformers_of_a1111(monkeypatch, tmp_path)
    findings = {finding.what.partition(" ")[0]: finding for finding in check_annotators(registry)}
    assert findings.keys() == TOO_NEW.keys()
    assert all(finding.level == "warning" and "pip" not in finding.fix for finding in findings.values())


@pytest.mark.parametrize("name", TOO_NEW)
def test_nothing_is_fetched_for_what_cannot_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    have_transformers_of_a1111(monkeypatch, tmp_path)

    def fail(*_: object) -> None:
        raise AssertionError("weights were looked for")

    for method in ("require", "require_each", "fetch"):
        monkeypatch.setattr(Store, method, fail)
    annotator = registry.resolve(name).annotator
    with pytest.raises(MissingExtra, match=rf"transformers 4\.30\.2 has no {TOO_NEW[name]}"):
        annotator.create(annotator.params(), device="cpu")


@pytest.mark.parametrize("options", [
    {"annotator": "depth_zoe"},
    {"annotator": "canny,depth_zoe", "all": True},
    {"annotator": "pose_animal", "model": "rtdetr"},
])  # fmt: skip
def test_its_weights_are_not_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: dict[str, str | bool]
) -> None:
    have_transformers_of_a1111(monkeypatch, tmp_path)
    with pytest.raises(MissingExtra, match=r"transformers 4\.30\.2 has no (zoedepth|rt_detr)") as caught:
        run(WeightsFetch, {}, dict(options), Job(HostHooks(), consent=True))
    assert "pip install" not in str(caught.value)
