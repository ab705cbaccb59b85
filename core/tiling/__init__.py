"""Maps of large pictures in overlapping tiles, each of the size that networks were trained at."""
