"""What a user can run on whole checkpoints."""
