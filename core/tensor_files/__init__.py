"""Files of tensors: safetensors, and pickled checkpoints through our own restricted reader.

Modules that import torch at the top are themselves imported inside functions.
"""
