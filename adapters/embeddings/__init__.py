"""Textual Inversion embeddings."""
