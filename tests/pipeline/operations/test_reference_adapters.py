from __future__ import annotations

from pathlib import Path

import pytest

from underdrawing.core.errors import BadParameter
from underdrawing.core.hooks import HostHooks
from underdrawing.core.operation import Job, run
from underdrawing.core.operation_registry import operations
from underdrawing.pipeline.operations.reference_adapters import format_scores


def test_a_folder_without_adapters_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="holds no loras"):
        run(operations()["reference.adapters"], {"folder": tmp_path}, {}, Job(HostHooks()))


def test_scores_as_lines() -> None:
    strengths = {"0.0": {"share": 0.0}, "1.0": {"share": 1.0}}
    data = {
        "scenes": 4,
        "reader": {"style": 1.0},
        "style": {"strengths": strengths, "removed": True, "kinds": {"0.0": 0.9}},
        "guest": {"strengths": strengths},
        "together": {"style": {"share": 0.5}},
        "word": {"share": 0.25},
        "negative": {"off": {"mean": 0.8}, "on": {"mean": 0.9}},
    }
    lines = format_scores(data)
    assert "style LoRA at 1.0: share 1.000" in lines
    assert "taken off, the picture is the same byte for byte" in lines
    assert "negative word on: mean 0.900" in lines
    assert len(lines) == 11
