"""Detection of people and animals, their keypoints and poses: everything around the networks."""
