"""Annotators over files: from names and paths to maps in a folder."""
