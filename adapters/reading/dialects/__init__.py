"""How files name things: one file per dialect, found by being here."""
