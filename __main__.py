"""Runs the command line: `python -m underdrawing`, or `python FOLDER` for a clone under any name, as hosts have it."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

NAME = "underdrawing"


def load_clone(folder: Path) -> None:
    """Import the package of this folder under its own name, whatever the folder is called."""
    sys.path[:] = [path for path in sys.path if Path(path or ".").absolute() != folder]  # its modules have common names
    spec = spec_from_file_location(NAME, folder / "__init__.py", submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} holds no package")
    sys.modules[NAME] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[NAME])


if __name__ == "__main__":
    own = Path(__file__).absolute().parent
    if __package__:
        arguments = ["python", "-m", NAME]
    else:
        load_clone(own)
        arguments = [sys.executable, str(own)]
    try:
        import_module(f"{NAME}.core.command_name").set_command(arguments)
        import_module(f"{NAME}.cli").main()
    except ModuleNotFoundError as error:
        if (error.name or NAME).startswith(NAME):
            raise
        command = f'"{sys.executable}" -m pip install -r "{own / "requirements.txt"}"'
        sys.exit(f"{NAME} needs {error.name}, which this Python does not have. Next: {command}")
