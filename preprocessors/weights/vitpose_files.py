"""The weights file of ViTPose (`nets.vitpose`)."""

from __future__ import annotations

from ...core.weights.record import Weight

VITPOSE = Weight(
    repo="usyd-community/vitpose-base-simple",
    revision="a93ac0c67e0b7e2c55287d21d4c460c8f3c54d45",
    file="model.safetensors",
    sha256="85375373893ddd3641f3912821073e53f5435f9e966e1dca59d004454bfe4fdf",
    size=0,
    licence="Apache-2.0",
    commercial=True,
)
