"""MediaPipe's networks (Apache-2.0) in plain torch, and the decoding around them; importing it is cheap."""
