"""Other runtimes that compute a model's networks in place of torch."""
