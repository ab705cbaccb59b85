"""Started by the host at every start, in a process of its own: adds the packages that it lacks."""

from pathlib import Path
from runpy import run_path

ROOT = Path(__file__).resolve().parents[1]

if __name__ == "__main__":
    run_path(str(ROOT / "core" / "hosts" / "requirements.py"))["add_missing"](ROOT)
