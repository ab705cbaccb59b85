"""Pictures: types, sizes, reading, writing.

Modules that import numpy, Pillow or OpenCV at the top are themselves imported inside functions.
"""
