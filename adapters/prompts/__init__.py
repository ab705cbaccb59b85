"""Prompts, tags and schedules as A1111 and ComfyUI read them."""
