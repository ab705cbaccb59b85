from __future__ import annotations

import pytest

from underdrawing.pipeline.conditioning.sizes import make_size_ids


def test_numbers_are_those_of_the_family() -> None:
    pytest.importorskip("torch")
    assert make_size_ids("sd1", 512, 768) is None
    ids = make_size_ids("sdxl", 512, 768)
    assert ids is not None
    assert ids.tolist() == [[768, 512, 0, 0, 768, 512]]
    scores = [make_size_ids("sdxl_refiner", 512, 768, negative=negative) for negative in (False, True)]
    assert [ids.tolist()[0][-1] for ids in scores if ids is not None] == [6.0, 2.5]
