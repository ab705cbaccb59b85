"""What the declaration of a base model says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .layers import TextEncoder, UNet
from .transformer import Transformer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .layers import Network


@dataclass(frozen=True)
class Architecture:
    """A base model.

    title: its name in messages. family: what it is counted to in lists of supported models. networks: by part, in the
    order of canonical names. trainer_names: how trainers begin its name in metadata. metadata: what A1111 recognises a
    LoRA's base model by. ldm_named: whether kohya's files name its UNet the LDM way, and block weights are numbered as
    SDXL's. variants: name → transformer of models that share its names. rank: the lower
    the likelier, where nothing in a file tells models apart. header_words: word in a header → variant of these
    shapes, which nothing else tells. encoder_blocks: what text encoders are called in lists of
    block weights; of two names the second is T5. extensions: variant that adds layers to another → how their
    names begin; only a file that has some is counted to it.
    """

    id: str
    title: str
    family: str
    networks: Mapping[str, Network]
    trainer_names: tuple[str, ...]
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    ldm_named: bool = False
    variants: Mapping[str, Transformer] = field(default_factory=dict[str, Transformer])
    rank: int = 9
    header_words: Mapping[str, str] = field(default_factory=dict[str, str])
    encoder_blocks: tuple[str, ...] = ("BASE",)
    extensions: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def encoders(self) -> dict[str, TextEncoder]:
        """CLIP text encoders by part."""
        return {part: network for part, network in self.networks.items() if isinstance(network, TextEncoder)}

    @property
    def denoiser(self) -> str:
        """Part that is denoised with: the UNet or the transformer."""
        return next(part for part, network in self.networks.items() if isinstance(network, (UNet, Transformer)))

    @property
    def transformer(self) -> Transformer | None:
        """The transformer it has in place of a UNet."""
        return next((network for network in self.networks.values() if isinstance(network, Transformer)), None)

    @property
    def context(self) -> int | None:
        """Width of the text encoding that the UNet's cross attention reads."""
        return next((network.context for network in self.networks.values() if isinstance(network, UNet)), None)
