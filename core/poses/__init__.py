"""People, animals and faces: their points, files, drawings and edits."""
