"""What the host starts: see core/hosts/loading.py."""

from pathlib import Path
from runpy import run_path

_loading = Path(__file__).resolve().parents[2] / "core" / "hosts" / "loading.py"
globals().update(run_path(str(_loading))["start"](__file__))
