"""What an adapter does to one weight: small frozen classes, pure functions, computed in float32 and cast once."""
