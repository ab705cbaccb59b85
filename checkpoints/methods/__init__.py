"""Merge methods, one a file. Only `run` time needs torch: it is imported inside the functions."""
