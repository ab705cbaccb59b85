"""What runs shards: one file for each engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..job import ShardReport
    from ..rows import Shard

__all__ = ["Events"]


class Events(Protocol):
    """What an engine tells while it runs."""

    def report(self, report: ShardReport) -> None:
        """A shard is committed."""
        ...

    def failed(self, shard: Shard, reason: str) -> None:
        """A shard is given up; the others go on."""
        ...

    def note(self, text: str) -> None:
        """Something that the user should know while the run goes on."""
        ...

    def tick(self) -> None:
        """The engine has waited a while."""
        ...

    def stopped(self) -> None:
        """The user wants to stop: only the shards at hand are finished."""
        ...
