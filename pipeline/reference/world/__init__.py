"""A seeded renderer of little 3-D scenes, which knows their depth, classes, poses and edges exactly."""
