"""Training of the reference model: data, parts, and one loop for all of them."""
