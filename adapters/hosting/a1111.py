"""How A1111 loads and keeps LoRAs."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ..modules.architectures import SD15, SD21, SDXL
from .axes import build_axes
from .embeddings import load_refused
from .form import DELTA
from .model import A1111_MODELS, HostModel
from .networks import choose_network, make_module_kind
from .options import INFOTEXT, PRESETS, TAGS, read_option
from .session import HostLoras, find_unlisted
from .wrap import wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...core.hooks import HostHooks
    from .session import Use


FLAGS = {"is_sdxl": SDXL, "is_sd2": SD21, "is_sd1": SD15}
"""Of the loaded model → its architecture."""
NEIGHBOURS = frozenset({"lora_block_weight.py", "loractl_script.py"})
"""Scripts of other extensions that read the same arguments of tags."""


def is_hires(p: Any, params: Sequence[Any] = ()) -> bool:
    """Whether a job of the host is in its second pass. params: tags that may be those of its second prompt, which some
    hosts encode before the first pass."""
    second = getattr(p, "hr_extra_network_data", None) or {}
    held = {id(one) for several in second.values() for one in several}
    return bool(getattr(p, "is_hr_pass", False)) or any(id(one) in held for one in params)


class A1111Loras:
    """The host's modules of LoRAs and embeddings.

    shared: its state, of which the loaded model is asked for. networks, embeddings: the modules.
    """

    def __init__(self, host: HostHooks, shared: Any, networks: Any, embeddings: Any) -> None:
        self.host, self.session = host, HostLoras()
        self.shared, self.networks, self.embeddings = shared, networks, embeddings
        self.whole, self._base_model = True, ""

    def install(self, tag_class: Any, scripts: list[Any]) -> None:
        """Put ourselves in the host's way, once; axes of plots are gone whenever it has loaded its scripts.

        tag_class: of its tags. scripts: that it has loaded, with their paths and modules.
        """
        self.whole = not NEIGHBOURS & {Path(script.path).name for script in scripts}
        self.wrap_readers()
        wrap(tag_class, "activate", self.activate)
        wrap(self.embeddings.EmbeddingDatabase, "load_from_file", self.load_embedding)
        for script in scripts:
            if hasattr(script.module, "axis_options"):
                axes = build_axes(script.module.AxisOption, partial(read_option, self.shared, PRESETS))
                script.module.axis_options += axes

    def wrap_readers(self) -> None:
        """Let files be read by us where the host reads less."""
        wrap(self.networks, "load_network", self.load_network)
        if not any(hasattr(kind, DELTA) for kind in self.networks.module_types):
            self.networks.module_types.insert(0, make_module_kind(self.networks.network))

    @property
    def loadable(self) -> frozenset[str]:
        """Architectures that the host can load."""
        return A1111_MODELS

    @property
    def model(self) -> HostModel:
        """What is loaded."""
        loaded = self.shared.sd_model
        flags = [name for flag, name in FLAGS.items() if getattr(loaded, flag, False)]
        return HostModel.of(self.list_weights(), flags, self.loadable)

    def list_weights(self) -> dict[str, Any]:
        """Weights of the UNet or transformer; empty where the host has it elsewhere."""
        network = getattr(getattr(self.shared.sd_model, "model", None), "diffusion_model", None)
        return {} if network is None else network.state_dict(keep_vars=True)

    def forget_others(self) -> None:
        """Let the host read files again that it read for another base model: it keeps them by their names."""
        found = self.model.base_model
        if self._base_model not in ("", found):
            for net in (*self.networks.loaded_networks, *getattr(self.networks, "networks_in_memory", {}).values()):
                net.mtime = 0
        self._base_model = found

    def find(self, name: str) -> None:
        """Let the host list a file of that name, of any ending that we read. Raises UnknownName."""
        host = self.networks
        if host.available_network_aliases.get(name) is None:
            host.update_available_networks_by_names([name])
        if host.available_network_aliases.get(name) is None:
            entry = host.network.NetworkOnDisk(name, str(find_unlisted(name, self.host.folders("lora"))))
            host.available_networks[name] = host.available_network_aliases[name] = entry

    def list_use(self, use: Use) -> None:
        """Let the host keep what belongs to a use apart."""
        host = self.networks
        forbidden = use.name.lower() in host.forbidden_network_aliases
        entry = copy.copy((host.available_networks if forbidden else host.available_network_aliases)[use.name])
        self.mark(entry, use)
        host.available_network_aliases[use.key] = entry

    def mark(self, entry: Any, use: Use) -> None:
        """Let an entry of the host's list say which use it is for."""
        entry.underdrawing = use.tag

    def activate(self, original: Callable[..., Any], network: Any, p: Any, params: list[Any]) -> None:
        """The host's reading of all LoRA tags of a prompt, in terms that it understands."""
        self.forget_others()
        session, tags = self.session, [one.items for one in params]
        whole, presets = self.whole and read_option(self.shared, TAGS), read_option(self.shared, PRESETS)
        session.begin(tags, self.find, steps=p.steps, hires=is_hires(p, params), presets=presets, whole=whole)
        given = session.rewrite(params, self.list_use)
        count = len(given)
        original(network, p, given)
        for added in given[count:]:  # by a setting of the host
            session.add(added.items[0])
        session.show(p, self.host.note, infotext=read_option(self.shared, INFOTEXT))

    def follow(self, denoiser: Any) -> None:
        """Before a call of the UNet: the strengths of its step."""
        calls, hires = (denoiser.step, denoiser.total_steps, denoiser.steps), is_hires(denoiser.p)
        if strengths := self.session.find_strengths(*calls, hires=hires):
            self.set_strengths(strengths)

    def load_embedding(self, original: Callable[..., Any], database: Any, path: str, filename: str) -> None:
        """The host's reading of an embedding file, and ours of what it refuses."""
        load_refused(original, database, path, filename, add=partial(self.add_embedding, database, path))

    def add_embedding(self, database: Any, path: str, content: dict[str, Any], name: str) -> None:
        """Put the content of a file with one embedding into the host's database."""
        made = self.embeddings.create_embedding_from_data(content, name, filename=Path(path).name, filepath=path)
        database.register_embedding(made, *self.list_models())

    def list_models(self) -> list[Any]:
        """What the host's database wants to know beside an embedding."""
        return [self.shared.sd_model]

    def set_strengths(self, strengths: Mapping[str, float]) -> None:
        """Let the UNet have these strengths from now on: key of a use → strength."""
        for net in self.networks.loaded_networks:
            net.unet_multiplier = strengths.get(net.name, net.unet_multiplier)

    def load_network(self, original: Callable[..., Any], name: str, disk: Any) -> Any:
        """The host's network of a file."""

        def load_tensors(tensors: dict[str, Any]) -> Any:
            real = self.networks.sd_models
            self.networks.sd_models = SimpleNamespace(read_state_dict={disk.filename: tensors}.get)
            try:
                return original(name, disk)
            finally:
                self.networks.sd_models = real

        by_itself, tag = partial(original, name, disk), getattr(disk, "underdrawing", None)
        net, receipt = choose_network(Path(disk.filename), tag, self.model, by_itself, load_tensors)
        self.session.receipts[name] = receipt
        return net
