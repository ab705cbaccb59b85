from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from underdrawing.core.diagnostics.host_checks import adapt_findings, find_controlnet_fault
from underdrawing.core.diagnostics.packages import Finding, check_packages, lacks_solutions
from underdrawing.core.weights import search_paths

if TYPE_CHECKING:
    from pathlib import Path


def test_packages_of_the_command_line_are_not_missed() -> None:
    found = list(adapt_findings(check_packages({})))
    assert not [one for one in found if "rich" in one.what or "click" in one.what]
    missing = next(one for one in found if one.what.startswith("msgspec"))
    assert missing.level == "error"
    assert "-m pip install 'msgspec" in missing.fix


def test_other_findings_stay() -> None:
    finding = Finding(level="error", topic="cache", what="is full", fix="free some space")
    assert list(adapt_findings([finding])) == [finding]


@pytest.mark.parametrize(("there", "lacks"), [("python/solutions", False), ("tasks", True)])
def test_a_mediapipe_without_solutions_is_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str, lacks: bool
) -> None:
    (tmp_path / "mediapipe" / there).mkdir(parents=True)
    (tmp_path / "mediapipe" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert lacks_solutions() is lacks
    folder = tmp_path / "extensions" / "sd-webui-controlnet"
    folder.mkdir(parents=True)
    monkeypatch.setattr(search_paths, "_host_roots", [tmp_path])
    found = [*adapt_findings(check_packages({"mediapipe": "0.10.35"})), *find_controlnet_fault([folder])]
    (fault,) = [one for one in found if one.topic == "ControlNet"]
    assert fault.level == "error"
    assert ("mediapipe<0.10.10" in fault.fix) is lacks
    assert ("did not load" in fault.what) is not lacks
    assert list(find_controlnet_fault([])) == []
