"""The reference model: a small Stable-Diffusion-1-shaped model, the little world it was trained on, its training."""
