"""Adapters on models: plan, apply, remove, bake."""
