"""What PEFT did to the base weight before training (`init_lora_weights`), and variants of LoRA of other mathematics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core.errors import BadWeights

if TYPE_CHECKING:
    from ..deltas.residual import Start

_COMPUTED: dict[str, Start] = {"pissa": "pissa", "olora": "olora"}
"""What can be computed again from the base weight alone."""
_BASE_UNCHANGED = frozenset({"gaussian", "eva", "orthogonal", "mica", "true", "false"})
_REASONS = {
    "pissa_niter": "PiSSA by a random decomposition (pissa_niter) took a part out of the base weight, not stored",
    "corda": "CorDA took a part out of the base weight that depends on the training data",
    "loftq": "LoftQ trained on a base weight that it had quantised",
    "lora_ga": "LoRA-GA took a part out of the base weight that depends on the training data",
}
_FIX = (
    "save it again with PEFT's save_pretrained(path_initial_model_for_weight_conversion=...), which writes an ordinary "
    "LoRA, or merge it in PEFT and take the difference with `underdrawing lora extract`"
)
_METHODS = frozenset({"LORA", "LOHA", "LOKR", "OFT", "BOFT", "IA3"})
"""PEFT's methods whose mathematics is known here; others keep factors under LoRA's names, too."""
_VARIANTS = {
    "use_qalora": "QALoRA",
    "use_bdlora": "BD-LoRA",
    "kasa_config": "KaSA",
    "arrow_config": "Arrow routing",
    "alora_invocation_tokens": "activated LoRA",
    "layer_replication": "layer replication",
    "target_parameters": "LoRA on bare parameters (target_parameters)",
}


def find_start(config: dict[str, Any]) -> Start | None:
    """What was taken out of the base weight and can be computed again; None for an ordinary LoRA.

    Raises BadWeights, with the way out, for what the file does not allow to be computed.
    """
    method = str(config.get("peft_type") or "LORA").rpartition(".")[2].upper()
    if method not in _METHODS:
        fix = "merge it in PEFT and use `underdrawing lora extract`"
        raise BadWeights(f"PEFT's method {method[:40]!r} is not supported", fix=fix)
    variant = next((title for key, title in _VARIANTS.items() if config.get(key)), None)
    if variant is not None:
        raise BadWeights(f"{variant} is not supported", fix="merge it in PEFT and use `underdrawing lora extract`")
    chosen = config.get("init_lora_weights")
    if chosen is None or isinstance(chosen, bool) or str(chosen).lower() in _BASE_UNCHANGED:
        return None
    name = str(chosen).lower()
    if name in _COMPUTED:
        return _COMPUTED[name]
    reason = next((reason for start, reason in _REASONS.items() if name.startswith(start)), None)
    raise BadWeights(reason or f"what init_lora_weights={name[:40]!r} did to the base weight is not known", fix=_FIX)
