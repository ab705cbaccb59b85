"""Swapping single tensors of a model in and out, for modules and for plain state dicts alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ..modules.targets import Parameter, Slot, find_slots

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Target = tuple[str, Parameter]


class WeightAccess(ABC):
    """Named tensors of one model part that can be replaced and put back."""

    def __init__(self, part: str, keys: Iterable[str]) -> None:
        self.slots = find_slots(keys, part)
        self.shares = Counter(slot.key for slot in self.slots.values())
        """Key → number of modules whose parameters it holds (3 for fused q, k, v)."""

    @abstractmethod
    def get(self, key: str) -> Tensor | None:
        """What the model holds under a key now; None for a bias that does not exist."""

    @abstractmethod
    def put(self, key: str, value: Tensor | None) -> None:
        """Make the model hold exactly this object."""

    def bias_slot(self, module: str) -> Slot | None:
        """Where a bias would go that the module does not have yet."""
        weight = self.slots.get((module, "weight"))
        if weight is None or weight.third is not None or not weight.key.endswith("weight"):
            return None
        return Slot(f"{weight.key.removesuffix('weight')}bias")


class ModuleWeights(WeightAccess):
    """A torch module; parameters are replaced as objects, their contents are never written."""

    def __init__(self, part: str, model: nn.Module) -> None:
        self._modules = dict(model.named_modules(remove_duplicate=False))
        super().__init__(part, [name for name, _ in model.named_parameters(remove_duplicate=False)])

    def _find_parameter(self, key: str) -> tuple[dict[str, Any], str]:
        owner, _, name = key.rpartition(".")
        return self._modules[owner]._parameters, name

    def get(self, key: str) -> Tensor | None:
        """The parameter itself."""
        parameters, name = self._find_parameter(key)
        return parameters.get(name)

    def put(self, key: str, value: Tensor | None) -> None:
        """Replace the parameter object; a plain tensor becomes a parameter."""
        parameters, name = self._find_parameter(key)
        if value is None or isinstance(value, nn.Parameter):
            parameters[name] = value
        else:
            parameters[name] = nn.Parameter(value, requires_grad=False)


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


def access_weights(part: str, model: nn.Module | dict[str, Tensor] | Mapping[str, Tensor]) -> WeightAccess:
    """Access to a module or a state dict; raises TypeError for anything else."""
    if isinstance(model, nn.Module):
        return ModuleWeights(part, model)
    if isinstance(model, dict):
        return StateDictWeights(part, model)
    raise TypeError(f"{part} is a {type(model).__name__}; give a torch module or a dict of tensors")
