"""Base models and ControlNets: found in users' folders, read from any of their forms, without a network."""
