"""Samplers, schedules and noise under the names of A1111 and ComfyUI."""
