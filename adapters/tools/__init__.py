"""Files from files: extract, merge, resize, convert."""
