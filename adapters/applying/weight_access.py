"""Swapping single tensors of a model in and out, for modules and for plain state dicts alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ..modules.architectures import UNKNOWN, find_official_unet
from ..modules.ldm_layout import index_ldm_names
from ..modules.parts import TRANSFORMER, UNET, find_part
from ..modules.targets import Parameter, Slot, find_slots
from ..modules.transformer_slots import find_transformer
from .originals import ORIGINALS
from .quantised import Storage, StorageIndex, check_live

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Target = tuple[str, Parameter]


class WeightAccess(ABC):
    """Named tensors of one model part that can be replaced and put back."""

    def __init__(self, part: str, keys: Iterable[str]) -> None:
        held = list(keys)
        self._held = frozenset(held)
        self.architecture = UNKNOWN
        """Of a part that is a transformer."""
        self.slots = find_slots(held, part) if part != TRANSFORMER else self._find_layers(held)
        self._index = StorageIndex(held, {}, self._read)
        self._storages: dict[tuple[str, object], Storage] = {}

    def _find_layers(self, keys: Iterable[str]) -> dict[Target, Slot]:
        """Layers of a transformer; those of one that is not known by the names that they have."""
        held = list(keys)
        found = find_transformer({key: self._read(key).shape for key in held}, own=True)
        if found is None:
            return find_slots(held, TRANSFORMER)
        self.architecture = found.architecture
        return found.slots

    @cached_property
    def _ldm_modules(self) -> dict[str, str]:
        own = (name for name in self.slots if name[1] == "weight" and find_part(name[0]) == UNET)
        return index_ldm_names({name[0]: self.slots[name].key for name in own})

    def find_ldm_module(self, ldm: str, module: str) -> str | None:
        """Module that an LDM name means in this model, by its own layout; None where it has none or cannot be counted.

        module: what the name means in the official models, which counts where a model has parts of those only.
        """
        if self._ldm_modules:
            return self._ldm_modules.get(ldm)
        official = all(name in find_official_unet() for name, _ in self.slots if find_part(name) == UNET)
        return module if official else None

    @abstractmethod
    def get(self, key: str) -> Tensor | None:
        """What the model holds under a key now; None for a bias that does not exist."""

    @abstractmethod
    def put(self, key: str, value: Tensor | None) -> None:
        """Make the model hold exactly this object."""

    def wrap(self, key: str, value: Tensor) -> Tensor:
        """A new object with that content, as the model holds what stands under a key."""
        return value.detach()

    @abstractmethod
    def items(self) -> Iterator[tuple[str, Tensor]]:
        """Everything the model holds now, by key."""

    def is_current(self) -> bool:
        """Whether the model still has the keys it had, except for biases that adapters brought."""
        found = dict(self.items())
        return self._held <= found.keys() and all(key in self._held or ORIGINALS.find(found[key]) for key in found)

    def find_storage(self, key: str) -> Storage:
        """How the model holds a weight. Raises BadWeights for what cannot be computed with, by name."""
        tensor = self._read(key)
        name = key, tensor.dtype
        if name not in self._storages:
            check_live(key, tensor)
            self._storages[name] = self._index.find(key, tensor.dtype, tensor.shape)
        return self._storages[name]

    def _read(self, key: str) -> Tensor:
        tensor = self.get(key)
        if tensor is None:
            raise KeyError(key)
        return tensor

    def find_shape(self, module: str) -> tuple[int, ...]:
        """Shape of a module's weight, as the module has it."""
        slot = self.slots[module, "weight"]
        shape = tuple(self._read(slot.key).shape)
        if slot.transposed:
            return shape[::-1]
        return (sum(piece.length for piece in slot.list_pieces(shape[0])), *shape[1:])

    def bias_slot(self, module: str) -> Slot | None:
        """Where a bias would go that the module does not have yet."""
        weight = self.slots.get((module, "weight"))
        if weight is None or not weight.is_whole or not weight.key.endswith("weight"):
            return None
        return Slot(f"{weight.key.removesuffix('weight')}bias")


class ModuleWeights(WeightAccess):
    """A torch module; parameters are replaced as objects, their contents are never written."""

    def __init__(self, part: str, model: nn.Module) -> None:
        self._modules = dict(model.named_modules(remove_duplicate=False))
        super().__init__(part, [name for name, _ in self.items()])

    def is_current(self) -> bool:
        """Whether no module was replaced, added or removed either."""
        return dict(self._modules[""].named_modules(remove_duplicate=False)) == self._modules and super().is_current()

    def _find_table(self, key: str) -> tuple[dict[str, Any], str]:
        """Parameters of the module that owns a key, or its buffers where the key is one of those."""
        owner, _, name = key.rpartition(".")
        module = self._modules[owner]
        return (module._buffers if name in module._buffers else module._parameters), name

    def get(self, key: str) -> Tensor | None:
        """The parameter or buffer itself."""
        table, name = self._find_table(key)
        return table.get(name)

    def put(self, key: str, value: Tensor | None) -> None:
        """Replace the parameter or buffer object; `wrap` makes parameters."""
        table, name = self._find_table(key)
        table[name] = value

    def wrap(self, key: str, value: Tensor) -> Tensor:
        """A parameter of that content where the key is of a parameter, else another view of it."""
        table, name = self._find_table(key)
        owner = key.rpartition(".")[0]
        if table is self._modules[owner]._buffers and name in table:
            return value.detach()
        return nn.Parameter(value, requires_grad=False)

    def items(self) -> Iterator[tuple[str, Tensor]]:
        """Parameters and buffers of all modules."""
        for owner, module in self._modules.items():
            for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
                if tensor is not None:
                    yield f"{owner}.{name}" if owner else name, tensor


class StateDictWeights(WeightAccess):
    """A state dict of one part."""

    def __init__(self, part: str, tensors: dict[str, Tensor]) -> None:
        self._tensors = tensors
        super().__init__(part, tensors)

    def get(self, key: str) -> Tensor | None:
        """The entry."""
        return self._tensors.get(key)

    def put(self, key: str, value: Tensor | None) -> None:
        """Replace or remove the entry."""
        if value is None:
            self._tensors.pop(key, None)
        else:
            self._tensors[key] = value

    def items(self) -> Iterator[tuple[str, Tensor]]:
        """All entries that are tensors."""
        return iter(list(self._tensors.items()))


def access_weights(part: str, model: nn.Module | dict[str, Tensor] | Mapping[str, Tensor]) -> WeightAccess:
    """Access to a module or a state dict; raises TypeError for anything else."""
    if isinstance(model, nn.Module):
        return ModuleWeights(part, model)
    if isinstance(model, dict):
        return StateDictWeights(part, model)
    raise TypeError(f"{part} is a {type(model).__name__}; give a torch module or a dict of tensors")
