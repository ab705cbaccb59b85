"""The steps of a run: passes, gradients, the optimiser, and states from which it goes on to the same bytes."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import torch

from ....core.errors import BadWeights, Cancelled, WriteFailed
from .chance import make_number
from .folder import State
from .interrupt import Interrupt
from .optimisers import build_optimiser, pack_state, set_factor, unpack_state
from .records import Records
from .schedules import find_factor

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from ....core.progress import Progress
    from ..trainable import Trainable
    from .folder import RunFolder

RECENT = 50
"""Steps over which the loss is averaged."""
_LOGS = 20
"""Lines of a run that say where it stands, besides the first."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how a run trains. accumulate: passes of a step; the others as the parameters of their names."""

    steps: int
    accumulate: int = 1
    optimiser: str = "adamw"
    schedule: str = "constant"
    warm_up: int = 0
    max_grad_norm: float = 1.0
    seed: int = 0
    state_every: int = 0
    state_minutes: float = 5.0
    keep: int = 1
    preview_every: int = 0
    tensorboard: bool = False


class Loop:
    """A run. compute_loss: loss of a pass, by its number over all steps. preview: draws pictures after a step;
    complete: draws those of a step that an interruption left out."""

    def __init__(
        self,
        trainable: Trainable,
        compute_loss: Callable[[int], Tensor],
        plan: Plan,
        folder: RunFolder,
        note: Callable[[str], None],
        preview: Callable[[int], None] | None = None,
        complete: Callable[[int], None] | None = None,
    ) -> None:
        """Goes on from the folder's newest state. Raises MissingExtra, BadWeights."""
        self.trainable, self._compute_loss, self.plan, self.folder = trainable, compute_loss, plan, folder
        self._note, self._preview, self._complete = note, preview, complete
        self._groups = trainable.groups()
        self._tensors = [tensor for group in self._groups for tensor in group.tensors.values()]
        self.optimiser = build_optimiser(plan.optimiser, self._groups)
        notes: list[str] = []
        state = folder.read_state(notes)
        for text in notes:
            note(text)
        self.step = 0
        if state is not None:
            self._take(state)
        self.start = self.saved = self.step
        self.records = Records(folder.path, self.step, note, tensorboard=plan.tensorboard)

    def run(self, progress: Progress) -> None:
        """Train to the end. What stops it finds the state of the last whole step saved, if the disk takes it.

        Raises BadWeights for a loss that is not finite, KeyboardInterrupt and what progress raises.
        """
        self._clock = self._due = time.monotonic()
        with torch.random.fork_rng(), Interrupt() as interrupt:
            try:
                self._draw_if_due(self._complete)
                while self.step < self.plan.steps:
                    self.advance()
                    self._report(progress)
                    self._save_if_due()
                    self._draw_if_due(self._preview)
                    interrupt.check()
                    progress.check()
            except (KeyboardInterrupt, Cancelled):
                self._stop()
                raise
            finally:
                self.records.flush()
        if self.saved < self.step:
            self.save()

    def save(self) -> bool:
        """Write the state; whether the disk took it. The one before stays where it did not."""
        tensors = {
            f"trained.{name}": value.detach().cpu().contiguous() for name, value in self.trainable.state().items()
        }
        packed, rest = pack_state(self.optimiser)
        tensors |= {f"optimiser.{name}": value for name, value in packed.items()}
        try:
            self.folder.write_state(
                State(self.step, tensors, {"optimiser": rest, "step": str(self.step)}), self.plan.keep
            )
        except WriteFailed as error:
            self._note(f"the state of step {self.step} is not saved, that of step {self.saved} stays: {error}")
            return False
        self.saved = self.step
        return True

    def find_loss(self) -> float:
        """Average of the last steps."""
        rows = self.records.rows[-RECENT:]
        return sum(row["loss"] for row in rows) / len(rows) if rows else 0.0

    def _take(self, state: State) -> None:
        own = {n.removeprefix("trained."): t for n, t in state.tensors.items() if n.startswith("trained.")}
        packed = {n.removeprefix("optimiser."): t for n, t in state.tensors.items() if n.startswith("optimiser.")}
        expected = {name: tuple(value.shape) for name, value in self.trainable.state().items()}
        if expected != {name: tuple(value.shape) for name, value in own.items()}:
            what = "holds other tensors than this run trains"
            raise BadWeights(what, where=str(self.folder.path), fix="begin anew with --restart")
        self.trainable.load_state(own)
        unpack_state(self.optimiser, packed, state.metadata["optimiser"])
        self.step = state.step

    def advance(self) -> None:
        """One step of the optimiser."""
        plan = self.plan
        torch.manual_seed(make_number(plan.seed, "step", self.step))
        factor = find_factor(plan.schedule, self.step, plan.steps, plan.warm_up)
        set_factor(self.optimiser, self._groups, factor)
        self.optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for number in range(self.step * plan.accumulate, (self.step + 1) * plan.accumulate):
            self.trainable.before_pass(self.step, number - self.step * plan.accumulate)
            loss = self._compute_loss(number) / plan.accumulate
            self._check(total := total + float(loss.detach()), "loss")
            if loss.requires_grad:
                loss.backward()
            else:
                self._note("some captions are cut off before the word that is trained: they teach nothing")
        norm = float(torch.nn.utils.clip_grad_norm_(self._tensors, plan.max_grad_norm or math.inf))
        self._check(norm, "gradient")
        self.optimiser.step()
        self.step += 1
        self.trainable.after_step(self.step)
        self.records.add({"step": self.step, "loss": total, "rate": self._groups[0].rate * factor, "norm": norm})

    def _check(self, value: float, what: str) -> None:
        if not math.isfinite(value):
            self.optimiser.zero_grad(set_to_none=True)
            kept = f"the state of step {self.saved} is kept in {self.folder.path}; " if self.saved else ""
            fix = f"{kept}lower --rate, or look for a broken picture, and begin anew with --restart"
            raise BadWeights(
                f"the {what} is no finite number any more at step {self.step + 1}", where="training", fix=fix
            )

    def _report(self, progress: Progress) -> None:
        steps = self.plan.steps
        text = self._describe()
        progress.show(self.step, steps, text)
        if self.step in (self.start + 1, steps) or self.step * _LOGS // steps != (self.step - 1) * _LOGS // steps:
            progress.log(text)
            self.records.flush()

    def _describe(self) -> str:
        rate = self.records.rows[-1]["rate"]
        each = (time.monotonic() - self._clock) / max(1, self.step - self.start)
        left = each * (self.plan.steps - self.step)
        speed = f"{1 / each:.2f} steps/s" if each < 1 else f"{each:.1f} s a step"
        where = f"step {self.step} of {self.plan.steps}"
        return f"{where}, loss {self.find_loss():.4f}, rate {rate:.3g}, {speed}, {_format(left)} left"

    def _save_if_due(self) -> None:
        plan, now = self.plan, time.monotonic()
        by_steps = plan.state_every and self.step % plan.state_every == 0
        by_time = plan.state_minutes and now - self._due >= 60 * plan.state_minutes
        if (by_steps or by_time) and self.step < plan.steps:
            self._due = now
            self.save()

    def _draw_if_due(self, draw: Callable[[int], None] | None) -> None:
        every = self.plan.preview_every
        if draw is not None and self.step and every and self.step % every == 0:
            before = time.monotonic()
            self.records.attempt(partial(draw, self.step))
            self._clock += time.monotonic() - before

    def _stop(self) -> None:
        if self.saved < self.step:
            self.save()
        self._note(f"stopped; the state of step {self.saved} is saved: the same command goes on from there")


def _format(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else f"{minutes} min {rest} s"
        if minutes
        else f"{rest} s"
    )
