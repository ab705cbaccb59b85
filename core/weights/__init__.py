"""Weights files: records, where they lie, fetching and loading."""
