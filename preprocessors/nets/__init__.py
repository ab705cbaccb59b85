"""Network definitions, one file or folder each, re-written from their published structure.

Modules that import torch, transformers, numpy or OpenCV at the top are themselves imported inside functions.
"""
