"""Every model with a transformer, in every trainer's spelling, by every algorithm: all of a file is read right."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from safetensors.torch import save_file
from tests.support.transformer_files import WRITERS, make_sample

from underdrawing.adapters import load_adapter
from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.transformer_files import Writer

LIMIT = 1e-5
FULL = ("flux1", "sd3", "z_image")
"""Models that every writer is asked for; of the others one writer of each way of naming, in turn."""


def _list_cases() -> Iterator[object]:
    groups: dict[tuple[str, str], list[Writer]] = defaultdict(list)
    for writer in WRITERS:
        groups[writer.names, writer.joint].append(writer)
    for number, architecture in enumerate(sorted(TRANSFORMER_MODELS)):
        for group in groups.values():
            for writer in group if architecture in FULL else [group[number % len(group)]]:
                yield pytest.param(architecture, writer, id=f"{architecture}-{writer.id}")


@pytest.mark.parametrize(("architecture", "writer"), list(_list_cases()))
def test_all_layers_are_read_and_equal_the_formula(architecture: str, writer: Writer, tmp_path: Path) -> None:
    sample = make_sample(architecture, writer)
    header = {**TRANSFORMER_MODELS[architecture].metadata, **writer.metadata}
    name = "adapter_model" if writer.config else "style"
    save_file(sample.tensors, tmp_path / f"{name}.safetensors", header)
    if writer.config:
        (tmp_path / "adapter_config.json").write_text(json.dumps(writer.config))
    adapter = load_adapter(tmp_path / f"{name}.safetensors")
    assert adapter.unused == {}
    assert adapter.used.keys() == sample.tensors.keys()
    assert adapter.modules.keys() == sample.expected.keys()
    for module, delta in adapter.modules.items():
        base, result = sample.expected[module]
        error = (delta.apply(base.double().float()) - result).abs().max()
        assert error <= LIMIT * max(1.0, float(result.abs().max())), (module, delta.algorithm, float(error))
