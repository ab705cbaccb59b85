"""Options that have no effect, or exclude each other: errors before anything is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.errors import BadParameter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from .params import TrainParams


class Rule(NamedTuple):
    """option: name of a parameter. needs: whether it has an effect. fix: what it takes."""

    option: str
    needs: Callable[[Any], bool]
    fix: str


_MASKED = "give --masks or --mask-from"
_PRIOR = "give --prior, or --prior-count and --prior-prompt"
RULES = (
    Rule("keep_tags", lambda p: p.shuffle_tags or p.drop_tags > 0, "give --shuffle-tags or --drop-tags"),
    Rule("mask_weight", lambda p: bool(p.masks or p.mask_from), _MASKED),
    Rule("mask_from", lambda p: not p.masks, "give --masks or --mask-from, not both"),
    Rule("prior_prompt", lambda p: bool(p.prior or p.prior_count), _PRIOR),
    Rule("prior_weight", lambda p: bool(p.prior or p.prior_count), _PRIOR),
    Rule("prior_count", lambda p: bool(p.prior_prompt), "say with --prior-prompt what the class pictures show"),
    Rule("prior", lambda p: p.prior_weight > 0, "give --prior-weight above 0"),
    Rule("epochs", lambda p: not p.steps, "give --steps or --epochs, not both"),
    Rule("repeats", lambda p: p.epochs > 0, "give --epochs: with steps all pictures count the same"),
    Rule("keep", lambda p: p.state_every > 0 or p.state_minutes > 0, "give --state-every or --state-minutes"),
    Rule("preview_prompt", lambda p: p.preview_every > 0, "give --preview-every"),
)
"""Of the common parameters."""


def check_options(params: TrainParams, given: Collection[str], more: Iterable[Rule] = (), *, where: str) -> None:
    """Raise BadParameter for the first option that is given, or is not as usual, and has no effect."""
    usual = type(params)()
    for rule in (*RULES, *more):
        value = getattr(params, rule.option)
        if (
            (rule.option in given or value != getattr(usual, rule.option))
            and value not in ("", 0)
            and not rule.needs(params)
        ):
            what = f"--{rule.option.replace('_', '-')} {value} has no effect here"
            raise BadParameter(what, where=where, fix=rule.fix)
    if params.dtype not in ("auto", "float32", "bfloat16"):
        what = f"trains in float32 or bfloat16, not in {params.dtype}"
        raise BadParameter(what, where=f"{where}, dtype", fix="choose auto, float32 or bfloat16")
    if not params.rate:
        raise BadParameter("nothing moves at a learning rate of 0", where=f"{where}, rate", fix="give --rate 1e-4")


def count_steps(params: TrainParams, passes: int) -> int:
    """Steps of the optimiser. passes: of an epoch. Raises BadParameter where the warm-up is as long."""
    steps = params.steps or (max(1, round(params.epochs * passes / params.accumulate)) if params.epochs else 1000)
    if params.warm_up >= steps:
        what = f"a warm-up of {params.warm_up} steps never ends in {steps}"
        raise BadParameter(what, where="warm_up", fix=f"give at most {steps - 1}")
    return steps


def check_captions(params: TrainParams, captions: Collection[str]) -> None:
    """Raise BadParameter where captions have no tags to shuffle or drop."""
    longest = max((len([tag for tag in caption.split(",") if tag.strip()]) for caption in captions), default=0)
    needed = {"shuffle_tags": params.keep_tags + 2, "drop_tags": params.keep_tags + 1}
    for option, least in needed.items():
        if getattr(params, option) and longest < least:
            what = f"--{option.replace('_', '-')} has no effect: captions have at most {longest} tags"
            what += f", of which {params.keep_tags} stay" if params.keep_tags else ""
            raise BadParameter(what, where="captions", fix="leave it out, or separate tags by commas")
