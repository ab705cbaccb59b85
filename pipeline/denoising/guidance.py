"""A base model as samplers call it: noisy latents in, latents without noise out, guided by prompts.

Guidance is A1111's: the answer to the negative prompt, and from there to each part of the prompt by cfg times its
weight (J. Ho, T. Salimans, 2022; N. Liu et al., 2022, for AND). One picture at a time; parts and negative prompt are
one call of the UNet where they have equally many tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import torch

from ...core.errors import BadWeights
from .controls import Batch
from .latents import place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ..host_settings import HostSettings
    from ..models.model import Model
    from ..sampling.plan import Plan
    from ..sampling.run import StepReport
    from .controls import Controls
    from .masks import Blend
    from .units import Conditioning, PromptPlan


class Denoiser:
    """Denoises one picture. index: its place in the batch. inpaint: what models for inpainting see beside latents.

    empty: states of an empty prompt, which A1111's setting fills shorter prompts up with.
    """

    def __init__(
        self,
        model: Model,
        plan: Plan,
        prompts: tuple[PromptPlan, PromptPlan],
        controls: Controls,
        *,
        cfg: float,
        index: int = 0,
        blend: Blend | None = None,
        inpaint: Tensor | None = None,
        empty: Tensor | None = None,
    ) -> None:
        self._model, self._plan, self._prompts, self._controls = model, plan, prompts, controls
        self._cfg, self._index, self._blend, self._inpaint = cfg * plan.choice.cfg_share, index, blend, inpaint
        self._calls, self._reached, self._empty = 0, 0, empty
        self.opposite_noise: Tensor | None = None

    def watch(self, report: StepReport) -> None:
        """Take note of the step: A1111 counts the shares of steps of ControlNets from here, one step behind."""
        self._reached = report.step

    def __call__(self, latents: Tensor, sigma: Tensor) -> Tensor:
        """Raises BadWeights where the answer is NaN or infinite."""
        seen = latents if self._blend is None else self._blend.before(latents, sigma)
        expected = self._plan.expected_calls
        positive, negative = (prompt.at(self._calls, expected) for prompt in self._prompts)
        parts, opposite = (found[min(self._index, len(found) - 1)] for found in (positive, negative))
        denoised = self._guide(seen, sigma, parts, opposite[0])
        if not bool(torch.isfinite(denoised).all()):
            step = min(self._calls // self._plan.choice.calls + 1, self._plan.count)
            raise BadWeights(
                f"computed NaN or infinite numbers at step {step} of {self._plan.count}",
                where=self._model.name,
                fix="compute in float32 (--dtype float32), take LoRAs out, or get the model's file again",
            )
        self._calls += 1
        return denoised if self._blend is None else self._blend.after(denoised, latents, seen)

    def _guide(self, latents: Tensor, sigma: Tensor, parts: Sequence[Conditioning], opposite: Conditioning) -> Tensor:
        alone = self._leaves_out_negative(sigma)
        cfg = 1.0 if alone else self._cfg
        if cfg == 1 and len(parts) == 1 and parts[0].weight == 1 and (alone or self._plan.choice.cfg_share == 1):
            self.opposite_noise = None
            return self._answer(latents, sigma, parts, None)[:1]
        answers = self._answer(latents, sigma, parts, None if alone else opposite)
        if alone:
            answers = torch.cat([answers, answers[:1]])
        base = answers[-1:]
        self.opposite_noise = (latents - base) / sigma
        denoised = base.clone()
        for part, answer in zip(parts, answers[:-1], strict=True):
            denoised = denoised + (answer[None] - base) * (part.weight * cfg)
        return denoised

    def _leaves_out_negative(self, sigma: Tensor) -> bool:
        """Whether A1111's settings say so: at the beginning, or below some sigma."""
        plan, settings = self._plan, self._plan.settings
        total = max(plan.announced * plan.choice.calls, 1)
        if settings.skip_early and self._calls / total <= settings.skip_early:
            return True
        # A1111's samplers with steps of their own compare those instead
        level = float(plan.source.to_step(sigma)) if plan.choice.own_steps else float(sigma)
        return level < settings.skip_below and bool(self._calls % 2 or settings.skip_all)

    def _answer(
        self, latents: Tensor, sigma: Tensor, parts: Sequence[Conditioning], opposite: Conditioning | None
    ) -> Tensor:
        """Latents without noise by each part, then by the negative prompt."""
        prompted = [True] * len(parts)
        if opposite is None:
            return self._call(latents, sigma, parts, prompted)
        parts, opposite = level_lengths(parts, opposite, self._plan.settings, self._empty)
        if opposite.states.shape[1] == _find_length(parts):
            return self._call(latents, sigma, [*parts, opposite], [*prompted, False])
        # A1111 calls the UNet twice where the numbers of tokens differ
        return torch.cat(
            [
                self._call(latents, sigma, parts, prompted),
                self._call(latents, sigma, [opposite], [False]),
            ]
        )

    def _call(self, latents: Tensor, sigma: Tensor, group: Sequence[Conditioning], prompted: list[bool]) -> Tensor:
        count, unet = len(group), self._model.unet
        nearest = self._plan.choice.host == "comfyui"
        step = self._plan.source.to_step(sigma, nearest=nearest).to(latents.device)
        scaled = latents / (sigma**2 + 1) ** 0.5
        if self._inpaint is not None:
            scaled = torch.cat([scaled, self._inpaint.to(scaled)], dim=1)
        scaled = place(scaled, unet)
        states, added = _join(group, latents, scaled.dtype)
        batch = Batch(scaled.expand(count, -1, -1, -1), step.expand(count), states, added, prompted)
        share = self._reached / max(self._plan.announced, 1)
        answer = unet(
            batch.latents,
            batch.steps,
            encoder_hidden_states=batch.states,
            added_cond_kwargs=batch.added,
            return_dict=False,
            **self._controls.steer(batch, float(sigma), share),
        )[0]
        return _remove_noise(self._model.prediction, latents, sigma, answer.float())


def _join(group: Sequence[Conditioning], latents: Tensor, dtype: torch.dtype) -> tuple[Tensor, dict[str, Any] | None]:
    """States of all parts, the shorter ones filled with their last token's as A1111 does; and SDXL's own."""
    longest = _find_length(group)
    filled = [_fill(part.states, longest) for part in group]
    states = torch.cat(filled).to(latents.device, dtype)
    if group[0].pooled is None or group[0].ids is None:
        return states, None
    pooled = torch.cat([part.pooled for part in group if part.pooled is not None])
    ids = torch.cat([part.ids for part in group if part.ids is not None])
    added = {"text_embeds": pooled.to(latents.device, dtype), "time_ids": ids.to(latents.device, dtype)}
    return states, added


def level_lengths(
    parts: Sequence[Conditioning], opposite: Conditioning, settings: HostSettings, empty: Tensor | None
) -> tuple[Sequence[Conditioning], Conditioning]:
    """Prompt and negative prompt of one length, where A1111's settings ask for it.

    Either the shorter one is filled up with empty prompts; or, as before 1.6, the negative one is filled up with its
    last token, or cut.
    """
    length = _find_length(parts)
    own = opposite.states.shape[1]
    if settings.pad_old:
        states = _fill(opposite.states, length)[:, :length]
        return parts, msgspec.structs.replace(opposite, states=states)
    if not settings.pad or empty is None or own == length:
        return parts, opposite
    if own < length:
        return parts, msgspec.structs.replace(opposite, states=_append(opposite.states, empty, length))
    filled = [_fill(part.states, length) for part in parts]
    longer = [
        msgspec.structs.replace(part, states=_append(states, empty, own))
        for part, states in zip(parts, filled, strict=True)
    ]
    return longer, opposite


def _find_length(parts: Sequence[Conditioning]) -> int:
    return max(part.states.shape[1] for part in parts)


def _append(states: Tensor, empty: Tensor, length: int) -> Tensor:
    """States [1, T, D] with those of empty prompts behind them, as many as fit."""
    return torch.cat([states, empty.to(states).repeat(1, (length - states.shape[1]) // empty.shape[1], 1)], dim=1)


def _fill(states: Tensor, length: int) -> Tensor:
    missing = length - states.shape[1]
    return torch.cat([states, states[:, -1:].expand(-1, missing, -1)], dim=1) if missing > 0 else states


def _remove_noise(prediction: str, latents: Tensor, sigma: Tensor, answer: Tensor) -> Tensor:
    """Noise (epsilon) or velocity (T. Salimans, J. Ho, 2022) that a UNet predicts, taken out."""
    if prediction == "epsilon":
        return latents - answer * sigma
    return latents / (sigma**2 + 1) - answer * sigma / (sigma**2 + 1) ** 0.5
