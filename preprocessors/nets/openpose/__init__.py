"""OpenPose: networks for bodies, hands and faces, and what turns their maps into people."""
