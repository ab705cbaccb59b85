"""Fetching of several files where no server is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.command_line import run
from tests.support.toy_hub import record

from underdrawing.core.weights import download
from underdrawing.preprocessors.weights import catalogue

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from tests.support.command_line import Run

__all__ = ["run"]


def test_what_would_need_an_unreachable_server_too_is_not_tried(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    weights = [record(b"1" * 99, file=f"{name}.safetensors") for name in ("one", "two", "three")]
    monkeypatch.setattr(catalogue, "records", lambda: {weight.id: weight for weight in weights})

    def pause(_: object, silent: int) -> None:
        asked.append(silent)

    monkeypatch.setattr(download, "pause", pause)
    monkeypatch.setenv("UNDERDRAWING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    monkeypatch.setenv("no_proxy", "*")
    done = run("weights", "fetch", *(weight.id for weight in weights))
    assert done.code == 1
    assert done.err.count("cannot be resolved") == 1
    assert f"not tried, as no server is reached: {weights[1].id}, {weights[2].id}" in done.err
    assert len(asked) < download.ROUNDS
