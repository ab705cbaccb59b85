"""Started by A1111 and Forge at every start, and by ComfyUI-Manager: adds the packages that the host lacks.

None that is there is moved. Four packages put the same cv2 folder there and overwrite each other, so requirements.txt
names none of them, and one is added only where no cv2 can be found.
"""

from pathlib import Path
from runpy import run_path

ROOT = Path(__file__).resolve().parents[1]

if __name__ == "__main__":
    run_path(str(ROOT / "core" / "hosts" / "requirements.py"))["add_missing"](ROOT)
