"""Opt-in: MTEED's real weights give what controlnet-aux's code gave on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from underdrawing.core.errors import WeightsMissing
from underdrawing.core.networks.placement import Placement
from underdrawing.core.weights.store import Store
from underdrawing.preprocessors.nets import teed
from underdrawing.preprocessors.weights.teed_files import MTEED

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "lineart" / "lineart.npz"


def test_edge_probability_equals_the_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "may_ask", False)
    with np.load(GOLDEN) as arrays:
        image, expected = arrays["image"], arrays["mteed"] / 65535
    try:
        found = teed.predict_edges(image[None], MTEED, Placement())[0]
    except WeightsMissing as missing:
        pytest.skip(str(missing))
    assert expected.max() > 0.9
    assert np.abs(found - expected).max() <= 2e-5
