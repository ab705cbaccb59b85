"""ComfyUI nodes, generated from the registries; `mappings` holds what the host reads."""
