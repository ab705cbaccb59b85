from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from underdrawing.pipeline.reference.scoring.adapters import AdapterScorer, AdapterSettings, find_places
from underdrawing.pipeline.reference.world.spec import invite_guest, sample_spec

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_places_of_guests() -> None:
    specs = [invite_guest(sample_spec(np.random.default_rng(seed)), "snowman") for seed in range(20)]
    places = find_places(specs, "snowman")
    assert (places.sum(1) == 1).all()
    assert not find_places(specs, "mushroom").any()


def test_only_what_is_there_is_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def draw(self: AdapterScorer, specs: list[Any], tags: str = "", **options: Any) -> Any:
        asked.append(f"{tags.strip()}{'word' if options.get('words') else ''}{options.get('negative', '')}")
        return np.zeros((len(specs), 8, 8, 3), np.uint8)

    for name in ("loras/storybook", "embeddings/snowman"):
        path = tmp_path / f"{name}.safetensors"
        path.parent.mkdir()
        path.write_bytes(b"")

    def read(*_: Any) -> dict[str, float]:
        return {"share": 0.5, "kind": 1.0}

    monkeypatch.setattr(AdapterScorer, "draw", draw)
    for name in ("read_style", "read_guest", "read_attributes"):
        monkeypatch.setattr(AdapterScorer, name, read)
    scorer: Any = AdapterScorer.__new__(AdapterScorer)
    scorer.settings = AdapterSettings(weights=tmp_path, folder=tmp_path, scenes=3)
    scorer.plain = scorer.guests = [None] * 3
    scorer.ceiling = {}
    found = scorer.run()
    assert found.keys() == {"scenes", "reader", "style", "word"}
    assert found["style"]["removed"]
    assert asked == ["", "<lora:storybook:0.5>", "<lora:storybook:1>", "", "word"]
