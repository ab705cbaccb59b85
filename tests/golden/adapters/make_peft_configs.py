"""Makes what tests/contract/test_peft_configs.py compares with: adapters that PEFT saved, and PEFT's own merge.

Runs in a throw-away environment (pip install torch==2.13.0 peft==0.21.2 safetensors):

    python make_peft_configs.py

Keys: base/NAME; CONFIG/file/KEY as in adapter_model.safetensors; CONFIG/merged/NAME for what the merge changed, after
the folder was loaded again. Metadata: CONFIG → its adapter_config.json.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from peft import BOFTConfig, IA3Config, LoHaConfig, LoKrConfig, LoraConfig, OFTConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

BLOCKS = ("down_blocks.0.attentions.0.transformer_blocks.0", "mid_block.attentions.0.transformer_blocks.0")
LINEAR = ("attn1.to_q", "attn1.to_k", "attn2.to_q", "attn2.to_out.0", "ff.net.2")
CONV = "down_blocks.0.resnets.0.conv1"
ATTENTION = ["to_q", "to_k", "to_out.0"]


class UNet2DConditionModel(nn.Module):
    """A few layers under the names of the real model."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        for block in BLOCKS:
            for name in LINEAR:
                self.grow(f"{block}.{name}", nn.Linear(8, 8, bias=name.endswith(("0", "2"))))
        self.grow(CONV, nn.Conv2d(4, 8, 3))

    def grow(self, name: str, layer: nn.Module) -> None:
        owner: nn.Module = self
        *path, last = name.split(".")
        for step in path:
            if step not in owner._modules:
                owner.add_module(step, nn.Module())
            owner = owner.get_submodule(step)
        owner.add_module(last, layer)

    def forward(self, x: Tensor) -> Tensor:
        return x


def lora(**more: Any) -> LoraConfig:
    return LoraConfig(**{"r": 2, "lora_alpha": 4, "target_modules": ATTENTION, **more})


def oft(**more: Any) -> OFTConfig:
    return OFTConfig(**{"r": 0, "oft_block_size": 4, "target_modules": ["to_q", "to_k"], **more})


CONFIGS: dict[str, Any] = {
    "lora": lora(),
    "lora_targets_regex": lora(target_modules=r".*attn2\.to_(q|out\.0)"),
    "lora_exclude_regex": lora(exclude_modules=r"mid_block.*"),
    "lora_exclude_list": lora(exclude_modules=["attn1.to_q", "to_out.0"]),
    "lora_conv": lora(target_modules=["conv1", "to_q"]),
    "rank_pattern": lora(rank_pattern={"attn1.to_q": 1, "mid_block.*to_k": 3}, alpha_pattern={"to_q": 16}),
    "alpha_first_match": lora(alpha_pattern={"attn1.to_q": 2, "to_q": 16}),
    "alpha_anchored": lora(alpha_pattern={r"^down_blocks\.0\.attentions\.0.*": 12, r"^to_q": 100}),
    "alpha_choice": lora(alpha_pattern={"to_q|to_k": 12, "attn2.to_out.0": 3}),
    "alpha_classes": lora(alpha_pattern={r"attn[12]\.to_[qk]": 12, r"down_blocks\.\d+\..*to_out\.0": 0.5}),
    "alpha_part_of_a_word": lora(alpha_pattern={"q": 12, "o_k": 3, "attn2": 9}),
    "alpha_full_name": lora(alpha_pattern={f"{BLOCKS[0]}.attn1.to_q": 7}),
    "rslora": lora(use_rslora=True),
    "rslora_patterns": lora(use_rslora=True, rank_pattern={"to_k": 5}, alpha_pattern={"mid_block.*": 3}),
    "dora": lora(use_dora=True),
    "dora_conv": lora(use_dora=True, target_modules=["conv1"]),
    "dora_rslora": lora(use_dora=True, use_rslora=True, alpha_pattern={".*attn1.*": 3}),
    "lora_bias": lora(lora_bias=True, target_modules=["to_out.0", "ff.net.2"]),
    "gaussian": lora(init_lora_weights="gaussian"),
    "orthogonal": lora(init_lora_weights="orthogonal"),
    "pissa": lora(init_lora_weights="pissa"),
    "pissa_patterns": lora(init_lora_weights="pissa", rank_pattern={"to_q": 1}, alpha_pattern={"to_k": 5}),
    "pissa_dora": lora(init_lora_weights="pissa", use_dora=True, use_rslora=True),
    "olora": lora(init_lora_weights="olora"),
    "loha": LoHaConfig(r=2, alpha=4, target_modules=ATTENTION),
    "loha_patterns": LoHaConfig(
        r=2,
        alpha=4,
        target_modules=[*ATTENTION, "conv1"],
        rank_pattern={"mid_block.*": 1},
        alpha_pattern={"attn1.*": 3},
    ),
    "lokr": LoKrConfig(r=2, alpha=4, target_modules=ATTENTION),
    "lokr_patterns": LoKrConfig(
        r=2, alpha=4, target_modules=[*ATTENTION, "conv1"], rank_pattern={"mid_block.*": 8}, alpha_pattern={"mid_.*": 3}
    ),
    "lokr_both": LoKrConfig(r=1, alpha=3, target_modules=ATTENTION, decompose_both=True, decompose_factor=4),
    "oft": oft(),
    "oft_constrained": oft(coft=True, eps=1e-2),
    "oft_shared": oft(block_share=True),
    "oft_exact": oft(use_cayley_neumann=False),
    "oft_terms": oft(num_cayley_neumann_terms=8),
    "boft": BOFTConfig(boft_block_size=4, boft_n_butterfly_factor=1, target_modules=["to_q"]),
    "ia3": IA3Config(target_modules=["to_k", "ff.net.2"], feedforward_modules=["ff.net.2"]),
    "ia3_regex": IA3Config(target_modules=r".*(to_k|net\.2)", feedforward_modules=r".*net\.2"),
}
FACTORS = ("lora_", "hada_", "lokr_", "oft_", "boft_", "ia3_")


def train(model: nn.Module) -> None:
    """Move every factor away from its first value."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if any(one in name for one in ("magnitude", "ia3_", "boft_s")):
                parameter.mul_(1 + 0.3 * torch.rand_like(parameter))
            elif any(one in name for one in FACTORS):
                parameter.add_(torch.randn_like(parameter) * 0.1)


def main() -> None:
    before = {name: value.clone() for name, value in UNet2DConditionModel().state_dict().items()}
    tensors: dict[str, Tensor] = {f"base/{name}": value for name, value in before.items()}
    configs: dict[str, str] = {}
    for title, config in CONFIGS.items():
        torch.manual_seed(1)
        model = get_peft_model(UNet2DConditionModel(), copy.deepcopy(config))
        train(model)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            again = PeftModel.from_pretrained(UNet2DConditionModel(), folder).merge_and_unload().state_dict()
            for key, value in load_file(Path(folder) / "adapter_model.safetensors").items():
                tensors[f"{title}/file/{key}"] = value
            kept = json.loads((Path(folder) / "adapter_config.json").read_text())
        configs[title] = json.dumps({key: value for key, value in kept.items() if value not in (None, {}, [])})
        for name, value in again.items():
            if not torch.equal(value, before[name]):
                tensors[f"{title}/merged/{name}"] = value.detach().clone().contiguous()
    save_file(tensors, Path(__file__).with_name("peft_configs.safetensors"), configs)


if __name__ == "__main__":
    main()
