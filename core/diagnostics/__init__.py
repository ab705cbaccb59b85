"""What would make things fail on this machine."""
