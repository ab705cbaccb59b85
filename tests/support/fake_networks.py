"""As much of the LoRA extensions of A1111 and of Forge as ours meets, over a model of a few layers."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WIDTH, RANK = 8, 2
DOWN, UP = "down_blocks.0.attentions.0.transformer_blocks.0", "up_blocks.1.attentions.0.transformer_blocks.0"
UNET = [f"{block}.attn1.to_{one}" for block in (DOWN, UP) for one in ("q", "out.0")]
TEXT = ["text_model.encoder.layers.0.mlp.fc1"]
LAYERS = [*(f"lora_unet_{name.replace('.', '_')}" for name in UNET), *(f"lora_te_{n.replace('.', '_')}" for n in TEXT)]
"""Names that files have for the layers of the model."""
Factors = dict[str, tuple[torch.Tensor, torch.Tensor]]


def draw_factors(seed: int = 0) -> Factors:
    """Canonical module → up and down."""
    draw = torch.Generator().manual_seed(seed)
    names = [*(f"unet.{name}" for name in UNET), *(f"text_encoder.{name}" for name in TEXT)]
    return {n: (torch.randn(WIDTH, RANK, generator=draw), torch.randn(RANK, WIDTH, generator=draw)) for n in names}


def spell(factors: Factors, form: str) -> dict[str, torch.Tensor]:
    """The same LoRA in kohya's names, or as "peft", "diffusers" or "processor" (of the UNet)."""
    tensors: dict[str, torch.Tensor] = {}
    for (name, (up, down)), layer in zip(factors.items(), LAYERS, strict=True):
        part, _, rest = name.partition(".")
        old = rest.replace("to_out.0", "to_out").replace(".to_", ".processor.to_")
        names = {
            "kohya": (f"{layer}.lora_up.weight", f"{layer}.lora_down.weight"),
            "diffusers": (f"{name}.lora_B.weight", f"{name}.lora_A.weight"),
            "peft": (f"base_model.model.{rest}.lora_B.weight", f"base_model.model.{rest}.lora_A.weight"),
            "processor": (f"unet.{old}_lora.up.weight", f"unet.{old}_lora.down.weight"),
        }
        if part == "unet" or form in ("kohya", "diffusers"):
            tensors |= dict(zip(names[form], (up, down), strict=True))
        if form == "kohya":
            tensors[f"{layer}.alpha"] = torch.tensor(float(RANK))
    return tensors


class Weights:
    """As much of a torch module as its weights. weights: what it holds, or what tells that."""

    def __init__(self, weights: dict[str, torch.Tensor] | Callable[[], dict[str, torch.Tensor]]) -> None:
        self.weights = weights

    def state_dict(self, *, keep_vars: bool = False) -> dict[str, torch.Tensor]:
        return self.weights() if callable(self.weights) else self.weights


class NetworkOnDisk:
    def __init__(self, name: str, filename: str) -> None:
        self.name, self.filename = name, filename


@dataclass
class Network:
    name: str
    modules: dict[str, Any] = field(default_factory=dict[str, Any])
    te_multiplier: float = 1.0
    unet_multiplier: float = 1.0
    dyn_dim: int | None = None


class NetworkModule:
    def __init__(self, net: Network, weights: Any) -> None:
        self.network, self.network_key, self.sd_key = net, weights.network_key, weights.sd_key
        self.sd_module, self.w = weights.sd_module, weights.w

    def multiplier(self) -> float:
        return self.network.te_multiplier if "_te_" in self.sd_key else self.network.unet_multiplier


class Plain(NetworkModule):
    def calc_updown(self, _: Any) -> tuple[torch.Tensor, None]:
        return self.w["lora_up.weight"] @ self.w["lora_down.weight"] * self.multiplier(), None


class KindOfModule:
    def create_module(self, net: Network, weights: Any) -> Any:
        return Plain(net, weights) if "lora_up.weight" in weights.w else None


class Params:
    """A tag of a prompt, split."""

    def __init__(self, items: list[str]) -> None:
        self.items = items
        self.positional = [item for item in items if "=" not in item]
        self.named = dict(item.split("=", 1) for item in items if "=" in item)


class Tags:
    """The host's class of tags; `networks` is set when the host is built."""

    networks: Any
    remove_symbols = str.maketrans("", "", ":,")

    def activate(self, p: Any, params: list[Params]) -> None:
        names = [one.positional[0] for one in params]
        te = [float(one.positional[1]) if len(one.positional) > 1 else 1.0 for one in params]
        unet = [float(one.positional[2]) if len(one.positional) > 2 else te[n] for n, one in enumerate(params)]
        self.networks.load_networks(names, te, unet, [None] * len(names))
        hashes = ", ".join(str(name).translate(self.remove_symbols) for name in p.names)
        p.extra_generation_params |= {"Lora hashes": hashes} if p.names else {}


class Job:
    """What the host draws."""

    steps, is_hr_pass = 4, False

    def __init__(self) -> None:
        self.extra_generation_params: dict[str, str] = {}
        self.comments: dict[str, int] = {}
        self.names: list[str] = []
        self.hr_extra_network_data: dict[str, list[Params]] = {}

    def comment(self, text: str) -> None:
        self.comments[text] = 1


class FakeLoras:
    """Modules of the host's extension. weights: of the model, by the names of its layers."""

    def __init__(self, folder: Path, kind: str) -> None:
        draw = torch.Generator().manual_seed(9)
        self.folder = folder
        self.original = {name: torch.randn(WIDTH, WIDTH, generator=draw) for name in LAYERS}
        self.weights = copy.copy(self.original)
        self._current: dict[str, Any] = {}
        self.networks: Any = ModuleType("networks")
        own = {"NetworkOnDisk": NetworkOnDisk, "NetworkModule": NetworkModule, "ModuleType": KindOfModule}
        members = {
            "network": SimpleNamespace(**own),
            "sd_models": SimpleNamespace(read_state_dict=load_file),
            "module_types": [KindOfModule()],
            "loaded_networks": list[Any](),
            "available_networks": dict[str, Any](),
            "available_network_aliases": dict[str, Any](),
            "forbidden_network_aliases": dict[str, int](),
            "update_available_networks_by_names": self.update,
            "load_networks": self.load,
        }
        vars(self.networks).update(members)
        if kind == "forge":
            self.networks.load_lora_state_dict = load_file
        else:
            self.networks.load_network = self.load_network
        self.tags: Any = ModuleType("extra_networks_lora")
        self.tags.ExtraNetworkLora = type("ExtraNetworkLora", (Tags,), {"networks": self.networks})

    @property
    def modules(self) -> dict[str, ModuleType]:
        return {"networks": self.networks, "extra_networks_lora": self.tags}

    def update(self, names: list[str]) -> None:
        """Only .safetensors, as .bin is never listed."""
        for path in self.folder.glob("*.safetensors"):
            if path.stem in names:
                entry = NetworkOnDisk(path.stem, str(path))
                self.networks.available_networks[path.stem] = self.networks.available_network_aliases[path.stem] = entry

    def load_network(self, name: str, disk: Any) -> Network:
        net, found = Network(name), dict[str, dict[str, Any]]()
        for key, value in self.networks.sd_models.read_state_dict(disk.filename).items():
            layer, _, part = key.partition(".")
            if layer in self.original:
                found.setdefault(layer, {})[part] = value
        for layer, w in found.items():
            weights = SimpleNamespace(network_key=f"{layer}.{next(iter(w))}", sd_key=layer, sd_module=None, w=w)
            made = (kind.create_module(net, weights) for kind in self.networks.module_types)
            net.modules[layer] = next(module for module in made if module is not None)
        return net

    def load(self, names: list[str], te: list[float], unet: list[float], dyn: list[None]) -> None:
        held = {net.name: net for net in self.networks.loaded_networks}
        self.networks.loaded_networks.clear()
        for name, *strengths in zip(names, te, unet, dyn, strict=True):
            net = held.get(name) or self.networks.load_network(name, self.networks.available_network_aliases[name])
            net.te_multiplier, net.unet_multiplier, net.dyn_dim = strengths
            self.networks.loaded_networks.append(net)

    def apply(self) -> dict[str, torch.Tensor]:
        """Layers as they are used: computed again only where names or strengths changed."""
        loaded = self.networks.loaded_networks
        wanted = tuple((net.name, net.te_multiplier, net.unet_multiplier, net.dyn_dim) for net in loaded)
        for name, weight in self.original.items():
            if self._current.get(name, ()) == wanted:
                continue
            held = weight.clone()
            for net in loaded:
                if name in net.modules:
                    held += net.modules[name].calc_updown(weight)[0]
            self.weights[name], self._current[name] = held, wanted
        return dict(self.weights)

    def draw(self, *tags: str, at: Callable[[int], None] | None = None) -> tuple[Job, list[dict[str, torch.Tensor]]]:
        """A job with these tags' arguments: the job, and the layers in each of its steps."""
        job = Job()
        job.names = [tag.partition(":")[0] for tag in tags]
        self.tags.ExtraNetworkLora().activate(job, [Params(tag.split(":")) for tag in tags])
        steps: list[dict[str, torch.Tensor]] = []
        for step in range(job.steps):
            if at is not None:
                at(step)
            steps.append(self.apply())
        return job, steps
