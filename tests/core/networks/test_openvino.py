"""The OpenVINO backend against torch, its refusals, and that it calls nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from tests.support.similarity import NAMES, photograph, ssim

from underdrawing.core.errors import BadParameter, MissingExtra
from underdrawing.core.networks import openvino
from underdrawing.core.networks.openvino import OpenVinoNetwork
from underdrawing.core.networks.placement import Placement, resolve_placement
from underdrawing.preprocessors.hed import Hed

needed = pytest.mark.skipif(find_spec("openvino") is None, reason="the extra openvino is not installed")


class Halves(torch.nn.Module):
    """Two outputs, from pictures of any number of channels."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x * 0.5, torch.nn.functional.max_pool2d(x, 2)


class Granted:
    """What OpenVINO tells of a compiled network."""

    def __init__(self, hint: str) -> None:
        self.hint = hint

    def get_property(self, name: str) -> Granted:
        assert name == "INFERENCE_PRECISION_HINT"
        return self

    def to_string(self) -> str:
        return self.hint


@needed
@pytest.mark.parametrize("name", NAMES)
def test_the_map_is_the_same(name: str) -> None:
    photo = photograph(name, 256)
    plain = Hed.create(Hed.params(), device="cpu", dtype="float32")(photo, resolution=0)
    other = Hed.create(Hed.params(), backend="openvino")
    assert other.placement.backend == "openvino"
    assert ssim(plain.images[0, ..., 0], other(photo, resolution=0).images[0, ..., 0]) >= 0.99


@needed
def test_float32_is_float32() -> None:
    photo = photograph("astronaut", 192)
    plain = Hed.create(Hed.params(), device="cpu", dtype="float32")(photo, resolution=0).values
    other = Hed.create(Hed.params(), dtype="float32", backend="openvino")(photo, resolution=0)
    assert plain is not None
    assert other.values is not None
    assert np.abs(plain - other.values).max() < 1e-5
    assert "openvino" in other.info["device"]


@needed
def test_every_size_and_several_outputs() -> None:
    network = OpenVinoNetwork(Halves(), Placement(backend="openvino"))
    for shape in ((1, 2, 10, 12), (3, 2, 64, 64), (1, 2, 130, 7)):
        x = torch.rand(shape)
        half, pooled = network(x)
        assert torch.allclose(half, x * 0.5)
        assert torch.equal(pooled, torch.nn.functional.max_pool2d(x, 2))


@needed
def test_a_format_the_processor_lacks_is_refused() -> None:
    network = OpenVinoNetwork(Halves(), Placement(backend="openvino", dtype="float16"))
    with pytest.raises(BadParameter, match="it would run in"):
        openvino._check_dtype(network.placement, Granted("bf16"))
    openvino._check_dtype(network.placement, Granted("f16"))


@needed
def test_only_the_processor() -> None:
    with pytest.raises(BadParameter, match="cpu, not on mps"):
        OpenVinoNetwork(Halves(), Placement(device="mps", backend="openvino"))


def test_auto_means_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_placement(backend="openvino").device == "cpu"


def test_without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        return None

    monkeypatch.setattr(openvino, "find_spec", nothing)
    with pytest.raises(MissingExtra, match="pip install"):
        OpenVinoNetwork(Halves(), Placement(backend="openvino"))


QUIET = """
import sys
from underdrawing.core.networks.openvino import load_openvino
openvino = load_openvino()
from openvino.tools.ovc import telemetry_utils
assert "stub" in telemetry_utils.tm.__name__, telemetry_utils.tm
assert "openvino_telemetry" not in sys.modules
"""


@needed
def test_openvinos_telemetry_stays_off() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", QUIET], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
