"""Options that have no effect, or exclude each other: errors before anything is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...core.errors import BadParameter

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from .params import TrainParams


class Rule(NamedTuple):
    """option: name of a parameter. fix: what it takes to have an effect.

    any_of: parameters of which one must be set; none_of: those that must not be.
    """

    option: str
    fix: str
    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()


_PRIOR = "give --prior, or --prior-count and --prior-prompt"
RULES = (
    Rule("keep_tags", "give --shuffle-tags or --drop-tags", ("shuffle_tags", "drop_tags")),
    Rule("mask_weight", "give --masks or --mask-from", ("masks", "mask_from")),
    Rule("mask_from", "give --masks or --mask-from, not both", none_of=("masks",)),
    Rule("prior_prompt", _PRIOR, ("prior", "prior_count")),
    Rule("prior_weight", _PRIOR, ("prior", "prior_count")),
    Rule("prior_count", "say with --prior-prompt what the class pictures show", ("prior_prompt",)),
    Rule("prior_count", "give --prior-weight above 0", ("prior_weight",)),
    Rule("prior", "give --prior-weight above 0", ("prior_weight",)),
    Rule("epochs", "give --steps or --epochs, not both", none_of=("steps",)),
    Rule("repeats", "give --epochs: with steps all pictures count the same", ("epochs",)),
    Rule("keep", "give --state-every or --state-minutes", ("state_every", "state_minutes")),
    Rule("preview_prompt", "give --preview-every", ("preview_every",)),
)
"""Of the common parameters."""


def check_options(params: TrainParams, given: Collection[str], more: Iterable[Rule] = (), *, where: str) -> None:
    """Raise BadParameter for the first option that has no effect. given: names of options that were typed.

    An option that is as usual and was not typed, or is off, is not looked at.
    """
    usual = type(params)()
    for rule in (*RULES, *more):
        value: object = getattr(params, rule.option)
        asked = rule.option in given or value != getattr(usual, rule.option)
        if asked and value and not _has_effect(rule, params):
            what = f"--{rule.option.replace('_', '-')} {value} has no effect here"
            raise BadParameter(what, where=where, fix=rule.fix)
    if params.dtype not in ("auto", "float32", "bfloat16"):
        what = f"trains in float32 or bfloat16, not in {params.dtype}"
        raise BadParameter(what, where=f"{where}, dtype", fix="choose auto, float32 or bfloat16")
    if not params.rate:
        raise BadParameter("nothing moves at a learning rate of 0", where=f"{where}, rate", fix="give --rate 1e-4")


def list_given(params: TrainParams, given: Collection[str]) -> tuple[str, ...]:
    """Names of the options that were typed or are not as usual, in order."""
    usual = type(params)()
    names = params.__struct_fields__
    return tuple(name for name in names if name in given or getattr(params, name) != getattr(usual, name))


def _has_effect(rule: Rule, params: TrainParams) -> bool:
    met = not rule.any_of or any(getattr(params, name) for name in rule.any_of)
    return met and not any(getattr(params, name) for name in rule.none_of)


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
