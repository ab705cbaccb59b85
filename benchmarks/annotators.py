"""Speed of every annotator that has a peer, family by family, each in a process of its own.

    python benchmarks/annotators.py [--families hed openpose ...] [--rounds 3] [--sizes 512 1024]

Runs the scripts named after the families and passes rounds and sizes on; they print Markdown, and
benchmarks/RESULTS.md holds what they printed. Each can be run alone, with options of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

FAMILIES = ("hed", "openpose", "lines", "depth", "segmentation", "whole")
"""Scripts that take rounds and sizes."""


def main() -> None:
    """Run the families in turn; ends with 1 when one of them failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    arguments = parser.parse_args()
    shared = ["--rounds", str(arguments.rounds), "--sizes", *map(str, arguments.sizes)]
    failed = False
    for family in arguments.families:
        script = Path(__file__).with_name(f"{family}.py")
        failed |= subprocess.run([sys.executable, str(script), *shared], check=False).returncode != 0
        print(flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
