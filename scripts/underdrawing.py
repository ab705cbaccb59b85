"""What A1111 and Forge start in a clone of this repository; the extension is the folder a1111_extension."""

from pathlib import Path
from runpy import run_path

_loading = Path(__file__).resolve().parents[1] / "core" / "hosts" / "loading.py"
globals().update(run_path(str(_loading))["start"](__file__))
