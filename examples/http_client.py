"""A client of the routes in docs/http_api.md: one picture to one map, through a running A1111 or Forge.

python examples/http_client.py photo.jpg canny map.png [http://127.0.0.1:7860]
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
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
            raise RuntimeError(_read_detail(error)) from error
        except URLError as error:
            what = f"{self.root} cannot be reached ({error.reason})"
            raise RuntimeError(f"{what}. Next: start the host, or name its address") from error

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


def _read_detail(error: HTTPError) -> str:
    """What the host says of a failure; its status where another program answered."""
    try:
        return json.load(error)["detail"]
    except (ValueError, KeyError, TypeError):
        return f"{error.url}: {error.code} {error.reason}. Next: check the address, and that the extension is installed"


def main() -> None:
    """Make one map of a picture."""
    parser = argparse.ArgumentParser(description="One picture to one map, through a running A1111 or Forge.")
    parser.add_argument("picture", type=Path)
    parser.add_argument("annotator", help="such as canny")
    parser.add_argument("map", type=Path, help="PNG file to write")
    parser.add_argument("address", nargs="?", default="http://127.0.0.1:7860", help="of the host (%(default)s)")
    given = parser.parse_args()
    try:
        given.map.write_bytes(Client(given.address).annotate(given.picture, given.annotator))
    except (RuntimeError, OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
