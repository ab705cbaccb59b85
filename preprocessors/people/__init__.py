"""Detection of people and animals, their keypoints and poses: everything around the networks.

Modules that import numpy, OpenCV or torch at the top are themselves imported inside functions.
"""
