"""Models whose denoiser is a transformer: one file for each family, found by its constant ARCHITECTURE."""
