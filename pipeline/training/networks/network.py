"""Low-rank factors beside chosen layers of a model, as one thing that a run trains."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ....adapters.modules.architectures import SDXL
from ....adapters.modules.parts import UNET, find_part
from ....adapters.prompts.block_weights import find_block
from ....core.errors import BadParameter
from ....core.report_text import comma_list
from ..base import list_networks
from ..export.low_rank import write_network
from ..trainable import ParamGroup, TensorRow, Trainable
from .blocks import read_blocks
from .chance import Moment
from .checks import check_params
from .hadamard import HadamardLayer
from .kronecker import KroneckerLayer
from .layer import LayerSettings
from .low_rank import LowRankLayer
from .sizes import find_size
from .targets import choose_targets, list_targets

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from torch import nn

    from ...models.model import Model
    from .layer import Layer
    from .params import NetworkParams
    from .sizes import Size
    from .targets import Target


class LowRankNetwork(Trainable):
    """LoRA, LoHa or LoKr on a model. After construction the model computes with it; `remove` takes it off.

    rate: learning rate of the UNet. text_rate: of the text encoders, 0 where they are not trained. layers: by canonical
    name. notes: what a user should know: ranks that were lowered. Raises BadParameter for targets, patterns and blocks
    that choose nothing, and for options without effect.
    """

    kind = "lora"

    def __init__(
        self,
        model: Model,
        params: NetworkParams,
        *,
        rate: float,
        text_rate: float = 0.0,
        weight_decay: float = 0.0,
        seed: int = 0,
    ) -> None:
        check_params(params)
        self.model, self.params, self.moment = model, params, Moment(seed)
        networks = find_networks(model, text=text_rate > 0)
        self.layers: dict[str, Layer] = {}
        self._others: dict[str, TensorRow] = {}
        self._lowered: Counter[tuple[int, int]] = Counter()
        self._rates: dict[str, float] = {part: rate if part == UNET else text_rate for part in networks}
        self._decay = weight_decay
        self._factors = self._read_blocks("block_rates")
        self._build(list_targets(networks), self._read_blocks("block_ranks"))
        self.parts = frozenset(map(find_part, self.layers))
        for network in (model.unet, *model.text_encoders):
            network.requires_grad_(False)
        for layer in self.layers.values():
            layer.install()

    def _read_blocks(self, name: str) -> dict[str, float]:
        sdxl = self.model.family.startswith(SDXL)
        return read_blocks(getattr(self.params, name), where=name, sdxl=sdxl)

    def _build(self, targets: list[Target], ranks: Mapping[str, float]) -> None:
        choice = choose_targets(targets, self.params.targets, self.params.include, self.params.exclude)
        for target in choice.targets:
            size = find_size(target, self.params, ranks)
            if not size.rank or self._factors.get(target.block) == 0:
                what = "rank" if not size.rank else "learning rate"
                choice.others[target.name] = f"the {what} of block {target.block} is 0"
                continue
            self._lowered[size.request, size.rank] += size.request != size.rank
            self.layers[target.name] = build_layer(target, self.params, size, self.moment)
        for name, module in ((target.name, target.module) for target in targets if target.name in choice.others):
            shape = tuple(module.weight.shape)
            self._others[name] = TensorRow(name=name, shape=shape, moved=False, reason=choice.others[name])
        if not self.layers:
            fix = "give a block a value above 0"
            raise BadParameter(
                "every layer that is left has a rank or learning rate of 0", where="block_ranks", fix=fix
            )

    @property
    def notes(self) -> tuple[str, ...]:
        """Ranks that were lowered to the size of a layer."""
        return tuple(
            f"{count} layers are smaller than rank {asked}: they are trained with rank {rank}, at the same scale"
            for (asked, rank), count in sorted(self._lowered.items())
            if count
        )

    def groups(self) -> list[ParamGroup]:
        """One for each part and factor on its learning rate."""
        found: dict[tuple[str, float], dict[str, nn.Parameter]] = {}
        for name, layer in self.layers.items():
            part, factor = find_part(name), self._find_factor(name)
            tensors = found.setdefault((part, factor), {})
            tensors |= {f"{name}.{key}": parameter for key, parameter in layer.named_parameters()}
        return [
            ParamGroup(
                name=part if factor == 1 else f"{part} x{factor:g}",
                tensors=tensors,
                rate=self._rates[part] * factor,
                weight_decay=self._decay,
            )
            for (part, factor), tensors in found.items()
        ]

    def _find_factor(self, name: str) -> float:
        return self._factors.get(find_block(name), 1.0)

    def describe(self) -> list[TensorRow]:
        """Layers that could be trained and are not, with the reason."""
        return list(self._others.values())

    def before_pass(self, step: int, index: int) -> None:
        """Dropout is drawn for this step and pass."""
        self.moment.step, self.moment.index, self.moment.training = step, index, True

    def after_step(self, step: int) -> None:
        """Between steps the model answers as the file will have it, without dropout."""
        self.moment.training = False

    @contextmanager
    def pause(self) -> Generator[None]:
        """The model without the network."""
        self.moment.active = False
        try:
            yield
        finally:
            self.moment.active = True

    def save(self, path: Path, metadata: Mapping[str, str]) -> tuple[Path, ...]:
        """Write the file, or PEFT's folder, in the form that was asked for."""
        return write_network(path, self, metadata)

    def remove(self) -> None:
        """Let all layers answer by themselves again."""
        for layer in self.layers.values():
            layer.remove()

    def __str__(self) -> str:
        """For the receipt: kind, ranks and layers."""
        ranks = comma_list(sorted({str(layer.settings.rank) for layer in self.layers.values()}, key=int), 6)
        kind = f"{self.params.algorithm}{' with DoRA' if self.params.dora else ''}"
        return f"{kind} of rank {ranks} on {len(self.layers)} layers"


def find_networks(model: Model, *, text: bool) -> dict[str, Any]:
    """Networks of a model by part. text: with its text encoders."""
    return {part: network for part, network in list_networks(model).items() if text or part == UNET}


def build_layer(target: Target, params: NetworkParams, size: Size, moment: Moment) -> Layer:
    """Factors for one layer, not installed yet. Raises BadParameter for layers that cannot be trained."""
    module = target.module
    groups, padding = getattr(module, "groups", 1), getattr(module, "padding_mode", "zeros")
    if groups != 1 or padding != "zeros":
        raise BadParameter(
            f"a convolution in {groups} groups with padding {padding} cannot be trained",
            where=target.name,
            fix="exclude it",
        )
    settings = LayerSettings(
        rank=size.rank,
        scale=size.scale,
        dora=params.dora,
        dropout=params.dropout,
        rank_dropout=params.rank_dropout,
        module_dropout=params.module_dropout,
    )
    if params.algorithm == "loha":
        return HadamardLayer(target.name, module, settings, moment)
    if params.algorithm == "lokr":
        return KroneckerLayer(target.name, module, settings, moment, factor=params.factor, decompose=params.decompose)
    return LowRankLayer(target.name, module, settings, moment)
