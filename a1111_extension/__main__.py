"""The command line, for `python FOLDER`; weights go to the models of the host that the folder is linked into."""

from importlib import import_module
from pathlib import Path
from runpy import run_path

if __name__ == "__main__":
    root = Path(__file__).resolve().parents[1]
    run_path(str(root / "core" / "hosts" / "loading.py"))["load_package"](root)
    import_module("underdrawing.core.installation").register_folder(Path(__file__).absolute().parent)
    import_module("underdrawing.cli").main()
