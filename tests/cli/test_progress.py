from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from underdrawing.cli.progress import CommandLine

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_logged_during_a_run_is_shown(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer: Callable[[], bool] = lambda: terminal  # noqa: E731
    monkeypatch.setattr("sys.stderr.isatty", answer)
    with CommandLine().progress("train", 3) as progress:
        progress(1, 3)
        progress.log("step 7, [loss] 0.5 \x1b[2J")
    shown = capsys.readouterr().err
    assert "step 7, [loss] 0.5" in shown
    assert "\x1b[2J" not in shown


def test_a_bar_shows_what_a_run_says_of_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich", reason="bars need rich: pip install rich")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    with CommandLine().progress("annotate", 9, "pictures") as progress:
        progress(4, 9, "[2] refused \x1b[2J")
    shown = capsys.readouterr().err
    assert "4/9" in shown
    assert "[2] refused" in shown
    assert "\x1b[2J" not in shown
