"""Why an annotator cannot run on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..imports import describe_lacking
from ..weights.advice import advise_fetch
from ..weights.store import get_store

if TYPE_CHECKING:
    from ..registry import AnnotatorType


def explain_unavailable(annotator: AnnotatorType, *, has_mask: bool = True) -> str:
    """Why an annotator cannot run here with default parameters; empty when it can. has_mask: whether it gets one."""
    if annotator.spec.takes_mask and not has_mask:
        return "it needs a mask"
    if missing := annotator.find_missing():
        return ": ".join(describe_lacking(missing))
    absent = [weight for weight in annotator.weights_for(annotator.params()) if get_store().find(weight) is None]
    if lost := [weight.id for weight in absent if not weight.repo]:
        return f"{', '.join(lost)} of this package gone or changed: install it again"
    return f"weights missing: {advise_fetch(weight.id for weight in absent)}" if absent else ""
