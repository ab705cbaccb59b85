"""Vocabulary of the project: parameters, images, geometry, annotators, weights, files and errors."""
