"""One run of annotators over many pictures: what goes in, what comes out, and how it goes on after an interruption.

Modules that import numpy at the top are themselves imported inside functions.
"""
