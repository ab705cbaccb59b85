from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from underdrawing.core.dataset.options import KEY
from underdrawing.core.dataset.rows import Shard
from underdrawing.core.dataset.sources.webdataset import iter_rows

if TYPE_CHECKING:
    from pathlib import Path


def test_links_are_listed_and_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind, target in (
            ("a.png", tarfile.REGTYPE, ""),
            ("b.png", tarfile.SYMTYPE, "/etc/passwd"),
            ("c.png", tarfile.LNKTYPE, "a.png"),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, target, 0 if target else 4
            tar.addfile(member, io.BytesIO(b"data"))
    rows = list(iter_rows(Shard(name="a", path=str(path), kind="webdataset"), image="", key=KEY))
    assert [(row.key, row.picture) for row in rows] == [("a", b"data"), ("b", None), ("c", None)]
    assert all("a link in the tar" in row.problem for row in rows[1:])
