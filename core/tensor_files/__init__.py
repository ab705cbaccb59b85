"""Files of tensors: safetensors, and pickled checkpoints through our own restricted reader."""
