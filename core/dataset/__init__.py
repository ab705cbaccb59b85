"""Data sets: annotators over shards of rows, resumable, on one machine or on Ray."""
