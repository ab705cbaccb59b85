"""What each format of picture files promises, costs and holds, read without trust in its decoder."""
