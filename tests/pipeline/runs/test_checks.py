from __future__ import annotations

import math
from pathlib import Path

import pytest

from underdrawing.core.errors import BadParameter
from underdrawing.pipeline.request import Control, Hires, Request
from underdrawing.pipeline.runs.checks import check_request

PICTURE = Path("a.png")


@pytest.mark.parametrize(
    "fields",
    [
        {"steps": 0},
        {"count": 0},
        {"cfg": math.nan},
        {"clip_skip": 13},
        {"strength": 1.5},
        {"seed": -2},
        {"seed": 2**64 - 1, "count": 2},
        {"subseed": 2**64 - 1, "count": 2},
        {"seed": 2**64 - 5, "noise_seed_delta": 31337},
        {"noise_seed_delta": 2**40},
        {"steps": True},
        {"noise": "gpu"},
        {"mask_content": "stars"},
        {"controls": (Control(annotator="canny", image=PICTURE, mode="strong"),)},  # type: ignore[arg-type]
        {"controls": (Control(annotator="canny", image=PICTURE, fit="stretch"),)},  # type: ignore[arg-type]
        {"eta": -0.5},
        {"s_noise": math.nan},
        {"s_churn": 1.0, "s_tmin": 9.0, "s_tmax": 2.0},
        {"mask_padding": -1},
        {"mask": PICTURE},
        {"hires": Hires(scale=0.5)},
        {"hires": Hires(), "image": PICTURE},
        {"controls": (Control(annotator="canny"),)},
        {"controls": (Control(image=PICTURE),)},
        {"controls": (Control(annotator="canny", image=PICTURE, start=0.5, end=0.5),)},
        {"controls": (Control(annotator="canny", image=PICTURE, weight=math.inf),)},
    ],
    ids=str,
)
def test_requests_that_make_no_sense_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(BadParameter, match="Next: "):
        check_request(Request(prompt="", **fields))  # type: ignore[arg-type]


def test_requests_that_make_sense_are_not() -> None:
    check_request(Request(prompt=""))
    check_request(Request(prompt="a", image=PICTURE, mask=PICTURE, controls=(Control(annotator="inpaint"),)))


@pytest.mark.parametrize("name", ["prompt", "negative", "checkpoint", "sampler"])
def test_bytes_that_are_no_utf8_are_no_text(name: str) -> None:
    with pytest.raises(BadParameter, match="no text"):
        check_request(Request(**{"prompt": "", name: "caf\udce9"}))  # type: ignore[arg-type]
