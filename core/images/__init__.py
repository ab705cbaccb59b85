"""Pictures: types, sizes, reading, writing."""
