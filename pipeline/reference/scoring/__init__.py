"""How far the reference model obeys: measures, a judge that reads pictures, and whole scores."""
