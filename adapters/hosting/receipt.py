"""What became of a LoRA file in a host that applies it by itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..adapter import Adapter


@dataclass(frozen=True)
class HostReceipt:
    """One file's account.

    modules: reached in the loaded model, of `total` in the file. converted: whether the host got it from us, because it
    does not read the file, or not all of it, by itself. own: algorithm → modules computed here. tag: as the prompt has
    it, where it says more than the host reads. unused: reason → keys of the file. remark: how it was read, where the
    loaded model decides that. problem: why it has no effect.
    """

    name: str
    path: str = ""
    dialect: str = ""
    base_model: str = ""
    modules: int = 0
    total: int = 0
    converted: bool = False
    own: dict[str, int] = field(default_factory=dict[str, int])
    tag: str = ""
    unused: dict[str, int] = field(default_factory=dict[str, int])
    notes: tuple[str, ...] = ()
    remark: str = ""
    problem: str = ""

    @classmethod
    def of(
        cls, adapter: Adapter, modules: int, own: dict[str, int], *, converted: bool, remark: str = ""
    ) -> HostReceipt:
        """Of a file that was understood."""
        return cls(
            name=adapter.name,
            path=str(adapter.path),
            dialect=adapter.dialect,
            base_model=adapter.base_model,
            total=len(adapter.modules),
            unused=dict(Counter(adapter.unused.values()).most_common()),
            notes=adapter.notes,
            modules=modules,
            converted=converted,
            own=own,
            remark=remark,
        )

    @classmethod
    def refuse(cls, adapter: Adapter, problem: str) -> HostReceipt:
        """Of a file that was understood, and is left out."""
        return replace(cls.of(adapter, 0, {}, converted=False), problem=problem)

    @property
    def acted(self) -> bool:
        """Whether the picture is another one than the host alone would make."""
        return bool((self.converted and self.modules) or self.own or (self.tag and not self.problem))

    def line(self) -> str:
        """For the text in a picture: one short sentence."""
        parts = [f"{self.modules} of {self.total} modules"] if self.total else []
        parts += [f"converted from {self.dialect}"] if self.converted else []
        parts += [f"{count} {algorithm} computed" for algorithm, count in self.own.items()]
        parts += [f"as {self.tag}"] if self.tag else []
        return f"{self.name}: {', '.join(parts)}"

    def gap(self) -> str:
        """One sentence about what has no effect; empty when all has."""
        if self.problem:
            return f"{self.name}: {self.problem}"
        why = [f"{self.total - self.modules} of {self.total} modules do not fit this model"]
        why = [f"{why[0]} (made for {self.base_model})"] if self.modules < self.total else []
        why += [f"{count} keys: {reason}" for reason, count in list(self.unused.items())[:3]]
        return f"{self.name}: {'; '.join(why)}" if why else ""

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable, complete."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "path"}
        return {**plain, "notes": list(self.notes), "line": self.line(), "gap": self.gap()}
