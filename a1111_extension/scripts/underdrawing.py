"""What the host starts: see loading.py."""

from pathlib import Path
from runpy import run_path

globals().update(run_path(str(Path(__file__).resolve().parents[1] / "loading.py"))["start"](__file__))
