"""Records of weights files, which annotators declare; nothing here imports torch or another heavy module."""
