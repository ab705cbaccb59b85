"""Layouts of models: keys, configurations and files of original checkpoints and of diffusers' folders."""
