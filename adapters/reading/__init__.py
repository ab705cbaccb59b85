"""From LoRA-family files to adapters."""
