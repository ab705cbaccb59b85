"""From what networks give to maps: edges, lines, labels, depth."""
