from __future__ import annotations

import pytest

from underdrawing.core.networks import placement
from underdrawing.pipeline.request import Request
from underdrawing.pipeline.runs.loading import choose_placement
from underdrawing.pipeline.runs.setting import Setting


@pytest.mark.parametrize(
    ("unit", "checkpoint", "asked", "dtype"),
    [
        ("AMX", "model", "auto", "bfloat16"),
        ("", "model", "auto", "float32"),
        ("AMX", "model", "float32", "float32"),
        ("", "model", "bf16", "bfloat16"),
        ("AMX", "reference", "auto", "float32"),
        ("AMX", "reference", "bfloat16", "bfloat16"),
    ],
)
def test_large_models_compute_in_bfloat16_where_the_processor_has_it(
    unit: str, checkpoint: str, asked: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "find_cpu_bf16_unit", lambda: unit)
    chosen = choose_placement(Request(prompt="", checkpoint=checkpoint), Setting(device="cpu", dtype=asked))
    assert (chosen.device, chosen.dtype) == ("cpu", dtype)
    if asked == "auto" and unit and checkpoint == "model":
        assert unit in str(chosen)
