"""Network definitions, one file or folder each, re-written from their published structure."""
