"""Every model with a transformer, in every trainer's spelling, by every algorithm: all of a file is read right."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from tests.support.transformer_files import WRITERS, list_layers, make_sample

from underdrawing.adapters import load_adapter
from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS
from underdrawing.adapters.reading import load
from underdrawing.adapters.reading.files import RawFile

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.mark.parametrize("number", range(len(TRANSFORMER_MODELS)))
def test_all_layers_of_the_released_sizes_are_known(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shapes only; sd-scripts' and diffusers' spelling in turn, without a header."""
    architecture = sorted(TRANSFORMER_MODELS)[number]
    model = TRANSFORMER_MODELS[architecture]
    network = next(iter(model.variants.values())) if model.variants else model.transformer
    assert network is not None
    writer = WRITERS[0] if number % 2 else next(one for one in WRITERS if one.id == "diffusers")
    shapes = {stem: (module, shape) for stem, module, shape, _ in list_layers(architecture, writer, network.modules())}
    tensors: dict[str, torch.Tensor] = {}
    for stem, (_, (rows, columns)) in shapes.items():
        tensors[f"{writer.prefix}{stem}.{writer.suffixes['up']}"] = torch.empty(rows, 4, device="meta")
        tensors[f"{writer.prefix}{stem}.{writer.suffixes['down']}"] = torch.empty(4, columns, device="meta")
    file = RawFile(Path("a.safetensors"), tensors)

    def give(_: object) -> RawFile:
        return file

    monkeypatch.setattr(load, "read_file", give)
    adapter = load.load_adapter("a.safetensors")
    assert adapter.architecture == architecture
    assert adapter.unused == {}
    assert adapter.modules.keys() == {module for module, _ in shapes.values()}
