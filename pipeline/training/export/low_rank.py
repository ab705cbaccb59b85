"""A trained low-rank network as the file that other programs read."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from ....adapters.tools.export_names import make_kohya_names
from ....adapters.tools.kohya_form import make_kohya_tensors
from ....adapters.tools.peft_form import write_peft
from ....adapters.tools.save import make_provenance, parse_dtype
from ....core.errors import BadParameter, BadWeights
from ....core.tensor_files.safetensors_io import write_safetensors
from ...models.parts import BASE_MODELS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from ....adapters.deltas.base import Delta
    from ..networks.layer import Layer
    from ..networks.network import LowRankNetwork
    from ..networks.params import NetworkParams


def write_network(path: Path, network: LowRankNetwork, metadata: Mapping[str, str]) -> tuple[Path, ...]:
    """Write a network in the form and dtype that its parameters say. path: a safetensors file; PEFT's is a folder.

    metadata: facts of the run, such as `build_metadata` gives; what says of the network itself is added. Raises
    BadWeights for values that the dtype cannot hold, BadParameter for a name that does not suit the form, WriteFailed.
    """
    params = network.params
    check_path(path, params)
    dtype = parse_dtype(params.save_dtype)
    deltas = {name: layer.make_delta(dtype) for name, layer in network.layers.items()}
    tables = {name: _make_table(delta, network.layers[name]) for name, delta in deltas.items()}
    check_values(tables, params.save_dtype)
    step = {"tool": "train", "algorithm": params.algorithm, "dora": params.dora}
    told = {**metadata, **describe_network(network), **make_provenance(step)}
    if params.form != "kohya":
        return write_peft(path, deltas, {**told, "format": "pt"}, folder=params.form == "peft")
    names = make_kohya_names(tables, BASE_MODELS[network.model.family])
    tensors = {f"{names[m]}.{suffix}": value for m, table in tables.items() for suffix, value in table.items()}
    return (write_safetensors(path, tensors, told),)


def _make_table(delta: Delta, layer: Layer) -> dict[str, Tensor]:
    """kohya's tensors of a layer. A magnitude has as many axes as the weight: LyCORIS reads no other."""
    table = make_kohya_tensors(delta)
    if "dora_scale" in table:
        table["dora_scale"] = table["dora_scale"].reshape(-1, *(1,) * (layer.base.weight.ndim - 1))
    return table


def check_path(path: Path, params: NetworkParams) -> None:
    """Raise BadParameter unless the path suits the form: a safetensors file, or PEFT's folder."""
    file = path.suffix.lower() == ".safetensors"
    if params.form == "peft" and file:
        raise BadParameter(
            "PEFT's form is a folder", where=str(path), fix="leave the ending out, or choose another form"
        )
    if params.form != "peft" and not file:
        raise BadParameter("results are safetensors files", where=str(path), fix="let the name end in .safetensors")


def check_values(tables: Mapping[str, Mapping[str, Tensor]], dtype: str) -> None:
    """Raise BadWeights, naming the layer, for values that are NaN or infinite in the dtype of the file."""
    for name, table in tables.items():
        for value in table.values():
            if not bool(value.isfinite().all()):
                raise BadWeights(
                    f"its trained values are infinite or NaN in {dtype}",
                    where=name,
                    fix="save in float32, or train with a lower learning rate",
                )


def describe_network(network: LowRankNetwork) -> dict[str, str]:
    """kohya's entries on the network: module, rank, alpha and arguments; those of most layers where they differ."""
    params = network.params
    ranks = Counter(layer.settings.rank for layer in network.layers.values())
    rank = ranks.most_common(1)[0][0]
    scales = Counter(layer.settings.scale for layer in network.layers.values() if layer.settings.rank == rank)
    lycoris = params.algorithm != "lora" or params.dora
    table: dict[str, str] = {
        "ss_network_module": "lycoris.kohya" if lycoris else "networks.lora",
        "ss_network_dim": str(rank),
        "ss_network_alpha": f"{scales.most_common(1)[0][0] * rank:g}",
        "ss_network_args": json.dumps(_list_arguments(network), sort_keys=True),
    }
    if params.dropout:
        table["ss_network_dropout"] = f"{params.dropout:g}"
    return table


def _list_arguments(network: LowRankNetwork) -> dict[str, Any]:
    """Arguments of kohya's networks.lora, and of LyCORIS where the layers are of its kinds."""
    params = network.params
    arguments: dict[str, Any] = {}
    if params.algorithm != "lora" or params.dora:
        arguments["algo"] = "locon" if params.algorithm == "lora" else params.algorithm
    if params.dora:
        arguments["dora_wd"] = True
        arguments["wd_on_output"] = True
    if params.rslora:
        arguments["rs_lora"] = True
    if params.algorithm == "lokr":
        arguments |= {"factor": params.factor or -1, "decompose_both": params.decompose}
    if params.conv_rank:
        arguments["conv_dim"] = params.conv_rank
    if params.conv_alpha:
        arguments["conv_alpha"] = params.conv_alpha
    for name in ("rank_dropout", "module_dropout"):
        if getattr(params, name):
            arguments[name] = getattr(params, name)
    return arguments
