"""Training of words: Textual Inversion, and pivotal tuning, in which a LoRA follows."""
