"""People, animals and faces: their points, files, drawings and edits.

Modules that import numpy or OpenCV at the top are themselves imported inside functions.
"""
