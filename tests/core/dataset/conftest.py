from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.datasets import write_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of seven small pictures; see `write_folder`."""
    return write_folder(tmp_path_factory.mktemp("dataset") / "pictures")
