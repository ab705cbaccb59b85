"""Modules of base models, and every spelling of their names."""
