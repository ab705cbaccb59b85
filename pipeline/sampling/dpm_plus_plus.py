"""DPM-Solver++: 2S a, 2M, SDE, 2M SDE, 3M SDE.

Source: C. Lu et al., "DPM-Solver++", 2022, and its stochastic forms in k-diffusion
(github.com/crowsonkb/k-diffusion). Time is t = -log sigma; with h the length of a step, the exact solution for a
constant picture is x * exp(-h) + picture * (1 - exp(-h)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .euler import split_noise

if TYPE_CHECKING:
    from torch import Tensor

    from .run import Run


def _advance(x: Tensor, denoised: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """The exact solution from one sigma to another for a constant picture."""
    return sigma_next / sigma * x - (sigma_next.log() - sigma.log()).expm1() * denoised


def _halve(sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """Half way in time; rounded as in k-diffusion, because a Brownian path knows millionths."""
    start, end = sigma.log().neg(), sigma_next.log().neg()
    return (start + (end - start) * 0.5).neg().exp()


def run_2s_ancestral(run: Run, x: Tensor) -> Tensor:
    """Two calls a step, the second in the middle; further down, and noise back up."""
    for step in range(run.total):
        sigma, sigma_next = run.sigmas[step], run.sigmas[step + 1]
        denoised = run.call(step, x, sigma)
        down, up = split_noise(sigma, sigma_next, run.eta())
        if down == 0:
            x = x + (x - denoised) / sigma * (down - sigma)
        else:
            middle = _halve(sigma, down)
            denoised = run.denoise(_advance(x, denoised, sigma, middle), middle)
            x = _advance(x, denoised, sigma, down)
        if sigma_next > 0:
            x = x + run.draw(x) * up
    return x


def run_2m(run: Run, x: Tensor) -> Tensor:
    """One call a step; the picture is continued from the step before."""
    before: Tensor | None = None
    for step in range(run.total):
        sigma, sigma_next = run.sigmas[step], run.sigmas[step + 1]
        denoised = run.call(step, x, sigma)
        ahead = denoised
        if before is not None and sigma_next > 0:
            ratio = (run.sigmas[step - 1].log() - sigma.log()) / (sigma.log() - sigma_next.log())
            ahead = (1 + 1 / (2 * ratio)) * denoised - 1 / (2 * ratio) * before
        x = _advance(x, ahead, sigma, sigma_next)
        before = denoised
    return x


def run_sde(run: Run, x: Tensor) -> Tensor:
    """Two calls a step, the second in the middle, with noise of the Brownian path to both."""
    eta = run.eta()
    for step in range(run.total):
        sigma, sigma_next = run.sigmas[step], run.sigmas[step + 1]
        denoised = run.call(step, x, sigma)
        if sigma_next == 0:
            x = x + (x - denoised) / sigma * (sigma_next - sigma)
            continue
        middle = _halve(sigma, sigma_next)
        down, up = split_noise(sigma, middle, eta)
        # k-diffusion, and so A1111, asks for the path at exp(log sigma), ComfyUI at sigma
        now, then = (time if run.plan.choice.host == "comfyui" else time.log().exp() for time in (sigma, sigma_next))
        ahead = _advance(x, denoised, sigma, down) + run.draw_between(x, now, middle) * up
        denoised = run.denoise(ahead, middle)
        down, up = split_noise(sigma, sigma_next, eta)
        x = _advance(x, denoised, sigma, down) + run.draw_between(x, now, then) * up
    return x


def run_2m_sde(run: Run, x: Tensor) -> Tensor:
    """One call a step, continued by the midpoint rule, with noise of the Brownian path."""
    return _run_multistep_sde(run, x, "midpoint")


def run_2m_sde_heun(run: Run, x: Tensor) -> Tensor:
    """As 2M SDE, continued by Heun's rule."""
    return _run_multistep_sde(run, x, "heun")


def _run_multistep_sde(run: Run, x: Tensor, rule: str) -> Tensor:
    eta = run.eta()
    before: Tensor | None = None
    length_before: Tensor | None = None
    for step in range(run.total):
        sigma, sigma_next = run.sigmas[step], run.sigmas[step + 1]
        denoised = run.call(step, x, sigma)
        if sigma_next == 0:
            return denoised
        length = sigma.log() - sigma_next.log()
        whole = length + eta * length
        reach = (-whole).expm1().neg()
        x = _leave_noise(x, sigma, sigma_next, eta * length) + reach * denoised
        if before is not None and length_before is not None:
            weight = reach / 2 if rule == "midpoint" else 1 - reach / whole
            x = x + weight * (length / length_before) * (denoised - before)
        if eta:
            x = x + run.draw_between(x, sigma, sigma_next) * _new_noise(sigma_next, eta * length)
        before, length_before = denoised, length
    return x


def run_3m_sde(run: Run, x: Tensor) -> Tensor:
    """One call a step, continued from the two steps before, with noise of the Brownian path."""
    eta = run.eta()
    denoised_before: list[Tensor] = []
    lengths: list[Tensor] = []
    for step in range(run.total):
        sigma, sigma_next = run.sigmas[step], run.sigmas[step + 1]
        denoised = run.call(step, x, sigma)
        if sigma_next == 0:
            return denoised
        length = sigma.log() - sigma_next.log()
        whole = length * (eta + 1)
        x = _leave_noise(x, sigma, sigma_next, eta * length) + (-whole).expm1().neg() * denoised
        x = x + _continue_picture([denoised, *denoised_before], [length, *lengths], whole)
        if eta:
            x = x + run.draw_between(x, sigma, sigma_next) * _new_noise(sigma_next, eta * length)
        denoised_before, lengths = [denoised, *denoised_before[:1]], [length, *lengths[:1]]
    return x


def _continue_picture(pictures: list[Tensor], lengths: list[Tensor], whole: Tensor) -> Tensor | float:
    """What the slope of the picture, and its change, add to a step. pictures, lengths: the latest first."""
    if len(pictures) == 1:
        return 0.0
    second = (-whole).expm1() / whole + 1
    slope = (pictures[0] - pictures[1]) / (lengths[1] / lengths[0])
    if len(pictures) == 2:
        return second * slope
    near, far = lengths[1] / lengths[0], lengths[2] / lengths[0]
    change = (slope - (pictures[1] - pictures[2]) / far) / (near + far)
    third = second / whole - 0.5
    return second * (slope + change * near) - third * change


def _leave_noise(x: Tensor, sigma: Tensor, sigma_next: Tensor, drift: Tensor) -> Tensor:
    return sigma_next / sigma * (-drift).exp() * x


def _new_noise(sigma_next: Tensor, drift: Tensor) -> Tensor:
    return sigma_next * (-2 * drift).expm1().neg() ** 0.5
