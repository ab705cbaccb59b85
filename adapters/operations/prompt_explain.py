"""Explain how both hosts read a prompt."""

from __future__ import annotations

from typing import Annotated

from ...core.operation import Inputs, Job, Operation, Report, Spec, slot
from ...core.params import Params, between

MAX_STEPS = 1000


class ExplainInputs(Inputs, frozen=True):
    """A prompt."""

    prompt: Annotated[str, slot("text", "Prompt, as one would write it in A1111")]


class ExplainParams(Params, frozen=True):
    """Steps of sampling, on which schedules depend."""

    steps: Annotated[int, between(1, MAX_STEPS, "Sampling steps")] = 20
    hires_steps: Annotated[int, between(0, MAX_STEPS, "Steps of the second pass, to explain that one; 0: none")] = 0


class PromptExplain(Operation[ExplainInputs, ExplainParams]):
    """Show how A1111 and ComfyUI read a prompt: adapters, weights, what changes at which step, and the differences.

    Something in it may be wrong, such as a tag with a weight that is no number: the report says so.
    """

    spec = Spec(id="prompt.explain", title="Explain prompt")

    def run(self, inputs: ExplainInputs, params: ExplainParams, job: Job) -> Report:
        """Parse it both ways; nothing is applied."""
        from ..prompts.prompt import explain
        from ..prompts.report_text import prompt_lines

        report = explain(inputs.prompt, params.steps, hires_steps=params.hires_steps or None)
        return Report(text="\n".join(prompt_lines(report)), data=report, complete=not report["errors"])
