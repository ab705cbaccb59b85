from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from underdrawing.adapters.hosting.axes import build_axes
from underdrawing.core.errors import BadParameter


def make(label: str, kind: type, apply: Any, choices: Any = None) -> Any:
    return SimpleNamespace(label=label, kind=kind, apply=apply, choices=choices)


def test_axes_edit_the_prompt_of_a_job() -> None:
    axes = {axis.label.rpartition(" ")[2]: axis for axis in build_axes(make, lambda: "MINE:1,0")}
    job: Any = SimpleNamespace(prompt="a <lora:x:1:start=2>")
    axes["start"].apply(job, "0.5", [])
    axes["weight"].apply(job, 0.25, [])
    assert job.prompt == "a <lora:x:0.25:start=0.5>"
    assert {"OUTALL", "MINE"} <= set(axes["lbw"].choices())
    assert axes["stop"].choices is None


def test_a_value_that_means_nothing_is_refused() -> None:
    axis = build_axes(make, str)[1]
    with pytest.raises(BadParameter, match="is no preset"):
        axis.apply(SimpleNamespace(prompt="<lora:x:1>"), "NOPE", [])
