"""Networks in this process: placement, cache, inference backends.

Modules that import torch or numpy at the top are themselves imported inside functions.
"""
