"""Makes the expected weights that tests/contract/test_golden_deltas.py compares with, by the official packages.

Each mode runs in a throw-away environment of its own and writes one file beside this script:

    lycoris   pip install torch==2.13.0 lycoris-lora==4.1.3       the weight LyCORIS's forward really uses
    peft      pip install torch==2.13.0 peft==0.21.2              the weight after PEFT's merge
    glora_old pip install lycoris-lora==2.2.0 (or its sdist on PYTHONPATH)   GLoRA's old layout, merge_to
    oft_old   pip install lycoris-lora==2.0.2 (likewise)                     oft_diag

    python make_deltas.py MODE

Keys: LAYER/__base and LAYER/__bias; TYPE@LAYER/SUFFIX as in files, TYPE@LAYER/__effective at strength 1 and, where the
bias changes too, TYPE@LAYER/__bias_effective. Metadata "hints": JSON, case to the Hints adapter_config.json would give.
"""

# pyright: reportMissingImports=false, reportCallIssue=false, reportOptionalMemberAccess=false
from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

LAYERS = {
    "lin": lambda: nn.Linear(12, 16),
    "square": lambda: nn.Linear(16, 16),
    "c1": lambda: nn.Conv2d(12, 16, 1),
    "c3": lambda: nn.Conv2d(4, 16, 3, padding=1),
    "c3s2": lambda: nn.Conv2d(4, 8, 3, stride=2, padding=1),
}
tensors: dict[str, Tensor] = {}
hints: dict[str, dict[str, Any]] = {}


def layer_of(name: str) -> nn.Module:
    """The layer of that name with its own fixed weights, which are kept once."""
    torch.manual_seed(list(LAYERS).index(name))
    layer = LAYERS[name]()
    tensors[f"{name}/__base"] = layer.weight.detach().clone()
    tensors[f"{name}/__bias"] = layer.bias.detach().clone()
    torch.manual_seed(len(tensors))
    return layer


def keep(case: str, parts: dict[str, Tensor], effective: Tensor, **hint: Any) -> None:
    tensors[f"{case}/__effective"] = effective.detach().clone().contiguous()
    for suffix, tensor in parts.items():
        tensors[f"{case}/{suffix}"] = tensor.detach().clone().contiguous()
    if hint:
        hints[case] = hint


def probe(layer: nn.Module, like: nn.Module) -> Tensor:
    """The weight a layer really uses, from its answers to unit vectors."""
    if isinstance(like, nn.Linear):
        eye = torch.eye(like.in_features)
        return (layer(eye) - layer(torch.zeros_like(eye))).T
    assert isinstance(like, nn.Conv2d)
    k, stride, pad = like.kernel_size[0], like.stride[0], int(like.padding[0])
    count = like.in_channels * k * k
    units = torch.eye(count).reshape(count, like.in_channels, k, k)
    canvas = torch.zeros(count, like.in_channels, 7, 7)
    start = stride - pad
    canvas[:, :, start : start + k, start : start + k] = units
    answer = layer(canvas) - layer(torch.zeros_like(canvas))
    return answer[:, :, 1, 1].T.reshape(like.weight.shape)


def randomise(module: nn.Module, size: float = 0.3) -> None:
    for name, parameter in module.named_parameters():
        if "dora_scale" in name or "magnitude" in name:
            parameter.data.mul_(1 + size * torch.rand_like(parameter))
        elif not name.startswith(("org_module", "base_layer")):
            parameter.data.copy_(torch.randn_like(parameter) * size)
            if "rescale" in name or "boft_s" in name or "ia3_l" in name:
                parameter.data.add_(1)


def lycoris() -> None:
    from lycoris.modules.boft import ButterflyOFTModule
    from lycoris.modules.diag_oft import DiagOFTModule
    from lycoris.modules.full import FullModule
    from lycoris.modules.glora import GLoRAModule
    from lycoris.modules.ia3 import IA3Module
    from lycoris.modules.locon import LoConModule
    from lycoris.modules.loha import LohaModule
    from lycoris.modules.lokr import LokrModule

    every = ("lin", "c1", "c3", "c3s2")
    plain: list[tuple[str, Any, tuple[str, ...], dict[str, Any]]] = [
        ("lora", LoConModule, every, {"alpha": 2}),
        ("lora_rs", LoConModule, ("lin", "c3"), {"alpha": 2, "rs_lora": True}),
        ("lora_tucker", LoConModule, ("c3", "c3s2"), {"alpha": 2, "use_tucker": True}),
        ("dora_out", LoConModule, (*every, "square"), {"alpha": 2, "weight_decompose": True}),
        ("dora_in", LoConModule, (*every, "square"), {"alpha": 2, "weight_decompose": True, "wd_on_out": False}),
        ("dora_tucker", LoConModule, ("c3",), {"alpha": 2, "weight_decompose": True, "use_tucker": True}),
        ("loha", LohaModule, every, {"alpha": 3}),
        ("loha_tucker", LohaModule, ("c3", "c3s2"), {"alpha": 3, "use_tucker": True}),
        ("loha_dora", LohaModule, ("lin", "c3"), {"alpha": 3, "weight_decompose": True}),
        ("loha_dora_in", LohaModule, ("lin", "c3"), {"alpha": 3, "weight_decompose": True, "wd_on_out": False}),
        ("lokr", LokrModule, ("lin", "c1", "c3"), {"lora_dim": 1, "alpha": 3, "factor": 4}),
        (
            "lokr_both",
            LokrModule,
            ("lin", "c1", "c3"),
            {"lora_dim": 1, "alpha": 3, "factor": 4, "decompose_both": True},
        ),
        ("lokr_full", LokrModule, ("lin", "c1", "c3"), {"alpha": 3, "factor": 4, "full_matrix": True}),
        ("lokr_tucker", LokrModule, ("c3",), {"lora_dim": 1, "alpha": 3, "factor": 2, "use_tucker": True}),
        ("lokr_tucker2", LokrModule, ("c3",), {"lora_dim": 3, "alpha": 2, "factor": 2, "use_tucker": True}),
        ("lokr_dora", LokrModule, ("lin", "c3"), {"lora_dim": 1, "alpha": 3, "factor": 4, "weight_decompose": True}),
        ("full", FullModule, ("lin", "c3"), {}),
        ("ia3_out", IA3Module, ("lin", "c1", "c3"), {}),
        ("ia3_in", IA3Module, ("lin", "c1", "c3"), {"train_on_input": True}),
        ("glora", GLoRAModule, ("lin", "square", "c1", "c3"), {"alpha": 2}),
        ("oft", DiagOFTModule, ("lin", "c1", "c3"), {"constraint": 0}),
        ("oft_constrained", DiagOFTModule, ("lin", "c3"), {"constraint": 0.02}),
        ("oft_rescaled", DiagOFTModule, ("lin", "c3"), {"constraint": 0.03, "rescaled": True}),
        ("boft", ButterflyOFTModule, ("lin", "c1", "c3"), {"constraint": 0}),
        ("boft_constrained", ButterflyOFTModule, ("lin", "c3"), {"constraint": 0.02, "rescaled": True}),
    ]
    for name, kind, layers, options in plain:
        for layer in layers:
            base = layer_of(layer)
            module = kind("m", copy.deepcopy(base), **{"lora_dim": 4, "multiplier": 1.0, **options})
            randomise(module)
            parts = {k: torch.as_tensor(v) for k, v in (module.custom_state_dict() or module.state_dict()).items()}
            if kind is FullModule:
                parts = {"diff": module.weight.data.clone(), "diff_b": module.bias.data.clone()}
                keep(f"{name}@{layer}", parts, base.weight + parts["diff"])
                tensors[f"{name}@{layer}/__bias_effective"] = base.bias.detach() + parts["diff_b"]
                continue
            module.apply_to()
            keep(f"{name}@{layer}", parts, probe(module, base))


class Net(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


def peft() -> None:
    import peft.tuners.boft.layer as boft_layer
    from peft import BOFTConfig, IA3Config, LoHaConfig, LoKrConfig, LoraConfig, OFTConfig, get_peft_model
    from peft.utils import get_peft_model_state_dict

    class Blocks:
        @staticmethod
        def apply(blocks: Tensor) -> Tensor:
            return torch.stack([torch.block_diag(*torch.unbind(stage)) for stage in blocks])

    def many_stages(on: bool) -> None:
        """PEFT needs a CUDA extension for more than one butterfly stage; its block_diag stands in for the kernel."""
        boft_layer.get_fbd_cuda = lambda: on
        boft_layer.FastBlockDiag = Blocks

    lora: dict[str, Any] = {"r": 4, "lora_alpha": 3, "target_modules": ["layer"], "init_lora_weights": False}
    wanted = {"target_modules": ["layer"], "init_weights": False}
    lokr: dict[str, Any] = {**wanted, "alpha": 3, "decompose_factor": 4}
    oft = {"target_modules": ["layer"], "init_weights": False, "r": 0, "oft_block_size": 4}
    ia3 = {"target_modules": ["layer"]}
    scaled = {"alpha": 3.0, "rank": 4}
    cases: list[tuple[str, Any, tuple[str, ...], dict[str, Any]]] = [
        ("lora", LoraConfig(**lora), ("lin", "c1", "c3", "c3s2"), {"alpha": 3.0}),
        ("lora_rs", LoraConfig(**lora, use_rslora=True), ("lin", "c3"), {"alpha": 3.0, "stabilised": True}),
        ("lora_bias", LoraConfig(**lora, lora_bias=True), ("lin", "c3"), {"alpha": 3.0}),
        ("dora", LoraConfig(**lora, use_dora=True), ("lin", "square", "c1", "c3"), {"alpha": 3.0}),
        ("loha", LoHaConfig(**wanted, r=4, alpha=3), ("lin", "c1", "c3"), {"alpha": 3.0}),
        ("loha_core", LoHaConfig(**wanted, r=4, alpha=3, use_effective_conv2d=True), ("c3",), {"alpha": 3.0}),
        ("lokr", LoKrConfig(**lokr, r=1), ("lin", "c1", "c3"), {"alpha": 3.0, "rank": 1, "always_scaled": True}),
        ("lokr_full", LoKrConfig(**lokr, r=4), ("lin", "c3"), {**scaled, "always_scaled": True}),
        ("lokr_core", LoKrConfig(**wanted, alpha=3, decompose_factor=2, r=2, use_effective_conv2d=True), ("c3",),
         {"alpha": 3.0, "rank": 2, "always_scaled": True}),
        ("oft", OFTConfig(**oft), ("lin", "c1", "c3"), {}),
        ("oft_seven", OFTConfig(**oft, num_cayley_neumann_terms=7), ("lin",), {"neumann": 7}),
        ("oft_three", OFTConfig(**oft, num_cayley_neumann_terms=3), ("lin",), {"neumann": 3}),
        ("oft_two", OFTConfig(**oft, num_cayley_neumann_terms=2), ("lin",), {"neumann": 2}),
        ("oft_exact", OFTConfig(**oft, use_cayley_neumann=False), ("lin", "c3"), {"neumann": None}),
        ("oft_coft", OFTConfig(**oft, coft=True, eps=0.3), ("lin",), {"limit": 0.3}),
        ("oft_shared", OFTConfig(**oft, block_share=True), ("lin",), {}),
        ("boft", BOFTConfig(**wanted, boft_block_size=4), ("lin", "c1", "c3"), {}),
        ("boft_two", BOFTConfig(**wanted, boft_block_size=2, boft_n_butterfly_factor=2), ("square", "c3"), {}),
        ("boft_three", BOFTConfig(**wanted, boft_block_size=4, boft_n_butterfly_factor=3), ("square",), {}),
        ("ia3", IA3Config(**ia3, feedforward_modules=[]), ("lin", "c1", "c3"), {"on_input": False}),
        ("ia3_in", IA3Config(**ia3, feedforward_modules=["layer"]), ("lin", "c3"), {"on_input": True}),
    ]  # fmt: skip
    for name, config, layers, hint in cases:
        for layer in layers:
            many_stages(name in ("boft_two", "boft_three"))
            base = layer_of(layer)
            model = get_peft_model(Net(copy.deepcopy(base)), copy.deepcopy(config))
            for key, parameter in model.named_parameters():
                if parameter.requires_grad:
                    size = 0.1 if "oft" in key else 0.3
                    centre = parameter.data if "magnitude" in key else 1.0 if "ia3" in key or "boft_s" in key else 0.0
                    parameter.data = centre + size * torch.randn_like(parameter)
            state = get_peft_model_state_dict(model)
            parts = {key.split(".layer.", 1)[1]: tensor.clone() for key, tensor in state.items()}
            merged = model.merge_and_unload().layer
            case = f"{name}@{layer}"
            keep(case, parts, merged.weight, **hint)
            tensors[f"{case}/__bias_effective"] = merged.bias.detach().clone()


def glora_old() -> None:
    from lycoris.modules.glora import GLoRAModule

    for layer in ("lin", "square", "c1"):
        base = layer_of(layer)
        used = copy.deepcopy(base)
        module = GLoRAModule("m", used, 1.0, lora_dim=4, alpha=2)
        randomise(module)
        weight = module.make_weight().reshape(base.weight.shape) * module.scale
        keep(f"glora_old@{layer}", dict(module.state_dict()), base.weight + weight)


def oft_old() -> None:
    from lycoris.modules.diag_oft import DiagOFTModule

    for layer, options in (("lin", {}), ("c3", {"rescaled": True})):
        base = layer_of(layer)
        module = DiagOFTModule("m", copy.deepcopy(base), 1.0, lora_dim=4, **options)
        randomise(module)
        keep(f"oft_diag@{layer}", module.custom_state_dict(), module.make_weight())


def main() -> None:
    torch.set_num_threads(1)
    mode = sys.argv[1]
    with torch.no_grad():
        {"lycoris": lycoris, "peft": peft, "glora_old": glora_old, "oft_old": oft_old}[mode]()
    path = Path(__file__).parent / f"deltas_{mode}.safetensors"
    save_file(tensors, path, metadata={"hints": json.dumps(hints)})
    sys.stdout.write(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
