"""Records of weights files; nothing here imports torch."""
