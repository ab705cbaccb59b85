"""What several hosts need: sliders, control types, pictures as they hand them over, packages that they lack."""
