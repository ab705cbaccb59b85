"""Small files that start the package in a host."""

from __future__ import annotations

import re

STUB = '''"""Underdrawing's nodes, from the installed package; written by `underdrawing install comfyui`."""

from underdrawing import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS, WEB_DIRECTORY

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY"]
'''
STUB_SCRIPT = '''"""Underdrawing's extension, from the installed package; written by `underdrawing install a1111`."""

import logging
import sys

try:
    from underdrawing.core.hosts.loading import start
except ModuleNotFoundError:
    logging.getLogger("underdrawing").error('not loaded. Next: "%s" -m pip install underdrawing', sys.executable)
else:
    globals().update(start(__file__))
'''
STUB_MAIN = '''"""The command line, for `python FOLDER`; fetched weights go to this host's models."""

from pathlib import Path

from underdrawing.cli import main
from underdrawing.core.installation import register_folder

if __name__ == "__main__":
    register_folder(Path(__file__).absolute().parent)
    main()
'''


def lift_hook(text: str) -> str:
    """Text of a hook that finds the package from one folder nearer to it: as it stands at the root of a clone."""
    return re.sub(r"parents\[(\d)\]", lambda found: f"parents[{int(found[1]) - 1}]", text)
