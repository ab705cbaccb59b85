"""Run by ComfyUI-Manager and A1111 after requirements.txt: adds an OpenCV, but only where no cv2 can be found.

Four packages put the same cv2 folder there and overwrite each other, so requirements.txt names none of them.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

if __name__ == "__main__" and find_spec("cv2") is None:
    subprocess.check_call([sys.executable, "-m", "pip", "install", "opencv-python-headless"])
