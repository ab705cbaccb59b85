"""What an application did: every key of every adapter is applied or skipped with a reason, and the two add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..modules.parts import find_part

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..adapter import Adapter


LEARNED_TOKEN = "is a learned token: the prompt encoder takes it"


@dataclass(frozen=True)
class AdapterReceipt:
    """One adapter's account.

    applied: key → module it changed. skipped: key → reason. Together they are all keys of the file.
    modules: how many modules were changed. strengths: of UNet and text encoders; where they change while sampling, the
    largest. schedule: then (share of the sampling at which it begins, UNet's strength, text encoders' strength).
    """

    name: str
    dialect: str
    base_model: str
    algorithms: dict[str, int]
    strengths: tuple[float, float]
    modules: int
    applied: dict[str, str]
    skipped: dict[str, str]
    notes: tuple[str, ...] = ()
    schedule: tuple[tuple[float, float, float], ...] = ()

    @property
    def total(self) -> int:
        """Number of keys in the file."""
        return len(self.applied) + len(self.skipped)

    def gap(self) -> str:
        """One sentence when keys that should change the model did not; empty when all did."""
        lost = {reason: count for reason, count in self.reasons().items() if reason != LEARNED_TOKEN}
        if not lost:
            return ""
        why = "; ".join(f"{count}: {reason}" for reason, count in list(lost.items())[:3])
        return f"{self.name}: {sum(lost.values())} of {self.total} keys were not applied ({why})"

    def reasons(self) -> dict[str, int]:
        """Reason → number of keys."""
        return dict(Counter(self.skipped.values()).most_common())


@dataclass(frozen=True)
class Receipt:
    """Accounts of all adapters of a call. notes: what else a user should know of the result."""

    adapters: tuple[AdapterReceipt, ...]
    notes: tuple[str, ...] = ()

    @property
    def applied(self) -> int:
        """Keys applied, of all adapters."""
        return sum(len(entry.applied) for entry in self.adapters)

    @property
    def skipped(self) -> int:
        """Keys skipped, of all adapters."""
        return sum(len(entry.skipped) for entry in self.adapters)

    def to_json(self) -> list[dict[str, Any]]:
        """JSON-serialisable, complete."""
        return [
            {
                "name": entry.name,
                "dialect": entry.dialect,
                "base_model": entry.base_model,
                "algorithms": entry.algorithms,
                "unet_strength": entry.strengths[0],
                "te_strength": entry.strengths[1],
                "schedule": [list(stage) for stage in entry.schedule],
                "modules": entry.modules,
                "keys": entry.total,
                "applied": len(entry.applied),
                "skipped": entry.skipped,
                "notes": list(entry.notes),
            }
            for entry in self.adapters
        ]

    def __str__(self) -> str:
        """Readable table: one line per adapter, one per reason."""
        notes = [f"  note: {note}" for note in self.notes]
        return "\n".join([*_format_lines(self.adapters), *notes]) or "no adapters"


def _format_lines(entries: Iterable[AdapterReceipt]) -> Iterable[str]:
    for entry in entries:
        kinds = ", ".join(f"{count} {algorithm}" for algorithm, count in entry.algorithms.items())
        unet, encoder = entry.strengths
        yield (
            f"{entry.name}: {len(entry.applied)} of {entry.total} keys on {entry.modules} modules "
            f"({kinds or 'no deltas'}; {entry.dialect}, {entry.base_model}) at unet {unet:g}, text encoder {encoder:g}"
            f"{' at most' if entry.schedule else ''}"
        )
        if entry.schedule:
            stages = [
                f"from {begin:.0%} unet {unet:g} text encoder {encoder:g}" for begin, unet, encoder in entry.schedule
            ]
            yield f"  by share of the sampling: {', '.join(stages)}"
        for reason, count in entry.reasons().items():
            yield f"  skipped {count}: {reason}"
        for note in entry.notes:
            yield f"  note: {note}"


def account_for(
    adapter: Adapter,
    applied: Mapping[str, str],
    refused: dict[str, str],
    strengths: tuple[float, float],
    notes: Sequence[str] = (),
) -> AdapterReceipt:
    """Turn what happened per module into an account per key.

    applied: modules and tokens that took effect → what they changed. refused: module → reason. Anything else that was
    used by the file but not by the model is skipped because the model has no such module.
    """
    applied_keys = {key: applied[owner] for key, owner in adapter.used.items() if owner in applied}
    skipped_keys = {
        key: refused.get(owner, _explain_absence(owner)) for key, owner in adapter.used.items() if owner not in applied
    }
    return AdapterReceipt(
        name=adapter.name,
        dialect=adapter.dialect,
        base_model=adapter.base_model,
        algorithms=adapter.algorithms,
        strengths=strengths,
        modules=len(applied.keys() & adapter.modules.keys()),
        applied=applied_keys,
        skipped={**adapter.unused, **skipped_keys},
        notes=(*adapter.notes, *notes),
    )


def _explain_absence(owner: str) -> str:
    part = find_part(owner)
    return f"the model's {part} has no such module, or was not given"
