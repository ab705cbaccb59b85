from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from underdrawing.pipeline.models.reference_files import ADAPTERS
from underdrawing.pipeline.reference import adapter_sheet

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from underdrawing.pipeline.request import Request
    from underdrawing.pipeline.runs.setting import Setting


def test_every_adapter_is_shown_off_and_on_with_equal_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Request, Setting]] = []

    def draw(request: Request, setting: Setting) -> Iterator[Any]:
        asked.append((request, setting))
        yield SimpleNamespace(pixels=np.zeros((8, 8, 3), np.uint8))

    monkeypatch.setattr(adapter_sheet, "generate_pictures", draw)
    assert len(list(adapter_sheet.draw_cells(9))) == len(asked)
    texts = [f"{request.prompt} {request.negative}" for request, _ in asked]
    words = {path.stem for path in (ADAPTERS / "embeddings").glob("*") if path.suffix == ".safetensors"}
    loras = {path.stem for path in (ADAPTERS / "loras").glob("*") if path.suffix == ".safetensors"}
    known = " ".join(text for text, (_, setting) in zip(texts, asked, strict=True) if setting.embeddings)
    assert all(f"<lora:{name}:1>" in " ".join(texts) for name in loras)
    assert all(name in known for name in words)
    for index in range(0, len(asked), 3):
        rows = asked[index : index + 3]
        assert "<lora" not in texts[index]
        assert not rows[0][1].embeddings
        assert len({(request.seed, request.steps, request.cfg) for request, _ in rows}) == 1
