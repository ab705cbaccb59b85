"""Which layers are trained: by component and by patterns of names."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn

from ....adapters.modules.targets import find_slots
from ....adapters.prompts.block_weights import find_block
from ....core.errors import BadParameter
from ....core.params import items
from ....core.similar_names import find_similar, suggest_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .products import Frozen

COMPONENTS = {
    "attn": (r"\.attn1\.to_(q|k|v|out\.0)$|\.self_attn\.\w+$", "self-attention"),
    "cross-attn": (r"\.attn2\.to_(q|k|v|out\.0)$", "attention to the text"),
    "ff": (r"\.ff\.net\.|\.mlp\.fc\d$", "feed-forward layers"),
    "proj": (r"\.proj_(in|out)$", "projections around transformers"),
    "conv": (r"\.(conv|conv1|conv2|conv_shortcut)$", "convolutions of ResNets and samplers"),
    "time": (r"\.(time_emb_proj|(time|add)_embedding\.linear_\d)$", "layers of the time step"),
    "io": (r"\.conv_(in|out)$|\.text_projection$", "first and last layer"),
}
"""Component → pattern of canonical names, and what it is."""
ALL = "all"


class Target(NamedTuple):
    """A layer that can be trained. name: canonical, with its part in front. block: as block weights name it, "" for
    layers outside blocks."""

    name: str
    module: Frozen
    component: str
    block: str


class Choice(NamedTuple):
    """Targets that are trained, and name → reason of those that are not."""

    targets: list[Target]
    others: dict[str, str]


def list_targets(parts: Mapping[str, Any]) -> list[Target]:
    """Every linear and convolutional layer of the networks, by part."""
    found: list[Target] = []
    for part, network in parts.items():
        modules = dict(network.named_modules())
        for (name, parameter), slot in find_slots([n for n, _ in network.named_parameters()], part).items():
            module = modules.get(slot.key.rpartition(".")[0])
            if parameter == "weight" and isinstance(module, nn.Linear | nn.Conv2d):
                block = find_block(name)
                found.append(Target(name, module, find_component(name), block))
    return found


def find_component(name: str) -> str:
    """Component of a canonical name, "" for layers of none."""
    return next((component for component, (pattern, _) in COMPONENTS.items() if re.search(pattern, name)), "")


def choose_targets(targets: Iterable[Target], components: str, include: str = "", exclude: str = "") -> Choice:
    """The layers of these components whose names fit. Raises BadParameter for words that choose nothing."""
    held = list(targets)
    wanted = _read_components(components, held)
    inside, outside = _read_patterns(include, held, "include"), _read_patterns(exclude, held, "exclude")
    others: dict[str, str] = {}
    chosen: list[Target] = []
    for target in held:
        if target.component not in wanted:
            others[target.name] = f"not among the targets ({target.component or 'no component'})"
        elif inside and not any(fits(pattern, target.name) for pattern in inside):
            others[target.name] = "not included"
        elif any(fits(pattern, target.name) for pattern in outside):
            others[target.name] = "excluded"
        else:
            chosen.append(target)
    if not chosen:
        raise BadParameter(
            "no layer is left to train", where="targets", fix="choose other targets, or include more and exclude less"
        )
    return Choice(chosen, others)


def fits(pattern: str, name: str) -> bool:
    """Whether a canonical name holds a text, or fits a pattern with * and ?; kohya's underscores count as dots."""
    if "*" in pattern or "?" in pattern:
        return fnmatchcase(name, pattern) or fnmatchcase(name.partition(".")[2], pattern)
    return pattern in name or pattern in name.replace(".", "_")


def _read_components(text: str, held: list[Target]) -> set[str]:
    words = items(text, commas=True)
    for word in words:
        if word not in COMPONENTS and word != ALL:
            near = find_similar(word, known := [*COMPONENTS, ALL], cutoff=0.5)
            fix = f"write {', '.join(near + [name for name in known if name not in near])}"
            raise BadParameter(f"there is no component {word!r}", where="targets", fix=fix)
    if ALL in words:
        return {target.component for target in held}
    present = {target.component for target in held}
    if absent := [word for word in words if word not in present]:
        what = f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} in none of the networks that are trained"
        raise BadParameter(what, where="targets", fix=f"they have {', '.join(c for c in COMPONENTS if c in present)}")
    return set(words)


def _read_patterns(text: str, held: list[Target], where: str) -> list[str]:
    patterns = items(text, commas=True)
    names = [target.name for target in held]
    for pattern in patterns:
        if not any(fits(pattern, name) for name in names):
            steps = {step for name in names for step in (name, *name.split("."))}
            raise BadParameter(
                f"no layer has {pattern!r} in its name",
                where=where,
                fix=suggest_names(pattern, sorted(steps), "the receipt of a run"),
            )
    return patterns
