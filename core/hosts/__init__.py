"""What several hosts need: names of files in their folders, sliders, pictures as they hand them over."""
