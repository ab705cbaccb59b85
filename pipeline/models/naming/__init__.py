"""Keys of weights of every layout → names in the classes of diffusers and transformers."""
