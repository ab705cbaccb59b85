"""Results of training in the files that other programs read."""
