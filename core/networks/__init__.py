"""Networks in this process: placement, cache, inference backends."""
