"""A client of the routes in docs/http_api.md: one picture to one map, through a running A1111 or Forge.

python examples/http_client.py photo.jpg canny map.png [http://127.0.0.1:7860]
"""

from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen


class Client:
    """Sends requests to a host. address: of the host, without a path."""

    def __init__(self, address: str = "http://127.0.0.1:7860") -> None:
        self.root = f"{address.rstrip('/')}/underdrawing/v1"

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Answer to a GET, or with a body to a POST. Raises RuntimeError with the host's text."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.root + path, data, {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=120) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise RuntimeError(json.load(error).get("detail", error.reason)) from error

    def run(self, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Results of a job, when it has ended. Raises RuntimeError."""
        job = self.ask(f"{path}?wait=30", body)
        while job["state"] in ("waiting", "running"):
            time.sleep(0.5)
            job = self.ask(f"/jobs/{job['id']}")
        for note in job["notes"]:
            sys.stderr.write(f"{note}\n")
        if job["state"] != "done":
            raise RuntimeError((job["failure"] or {"error": job["state"]})["error"])
        return job.get("results") or self.ask(f"/jobs/{job['id']}")["results"]

    def annotate(self, picture: Path, annotator: str, **params: float | bool | str) -> bytes:
        """A map as a PNG file."""
        image = base64.b64encode(picture.read_bytes()).decode()
        (result,) = self.run("/annotate", {"image": image, "annotator": annotator, "params": params})
        return base64.b64decode(result["image"])


if __name__ == "__main__":
    source, name, target, *rest = sys.argv[1:]
    Path(target).write_bytes(Client(*rest).annotate(Path(source), name))
