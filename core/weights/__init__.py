"""Weights files: records, search paths, downloads and loading."""
