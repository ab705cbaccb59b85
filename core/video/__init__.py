"""Clips: frames of folders and video files in, maps of the same frame numbers and times out, and filters over time."""
