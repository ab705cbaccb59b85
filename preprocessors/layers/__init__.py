"""Building blocks that several networks share.

Modules that import torch at the top are themselves imported inside functions.
"""
