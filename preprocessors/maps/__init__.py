"""From what networks give to maps: edges, lines, labels, depth.

Modules that import numpy, OpenCV or torch at the top are themselves imported inside functions.
"""
