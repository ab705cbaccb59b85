"""Weights files: records, search paths, downloads and loading.

Modules that import torch or requests at the top are themselves imported inside functions.
"""
