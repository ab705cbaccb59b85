"""The standalone pipeline: from a prompt to a picture, without a web UI."""
