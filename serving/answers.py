"""What answers each route."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec

from ..core.errors import BadParameter
from . import bodies, schema
from .errors import RequestRefused
from .routing import VERSION, Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.hooks import HostHooks
    from .jobs import JobRecord, Jobs
    from .routing import Call
    from .settings import SettingsStore

MOST_SECONDS = 30.0
"""Longest time that a request waits for the end of its job."""

KINDS = ("lora", "checkpoint", "vae", "embedding")
"""Kinds of files that can be listed."""


def list_routes(answers: Answers) -> tuple[Route, ...]:
    """The table of routes."""
    return (
        Route("GET", "", answers.show_overview, "Version, routes, languages"),
        Route("GET", "/annotators", answers.list_annotators, "Annotators with their parameters"),
        Route("GET", "/annotators/{name}", answers.show_annotator, "One annotator, by its id or another known name"),
        Route("POST", "/annotate", answers.annotate, "Start a job that turns a picture into maps"),
        Route("GET", "/operations", answers.list_operations, "Operations with their inputs and parameters"),
        Route("GET", "/operations/{id}", answers.show_operation, "One operation"),
        Route("POST", "/operations/{id}", answers.operate, "Start a job that runs an operation"),
        Route("GET", "/panels", answers.list_panels, "How the tab arranges the operations"),
        Route("GET", "/jobs", answers.list_jobs, "Jobs that run, wait, or ended lately"),
        Route("GET", "/jobs/{id}", answers.show_job, "Progress, notes and results of a job; ?since=N leaves out N"),
        Route("POST", "/jobs/{id}/cancel", answers.cancel_job, "Let a job stop at its next step"),
        Route("GET", "/files/{kind}", answers.list_files, "Files in the host's folders: " + ", ".join(KINDS)),
        Route("GET", "/weights", answers.list_weights, "Weights files: size, licence, whether they are here"),
        Route("POST", "/weights/fetch", answers.fetch_weights, "Start a job that fetches weights, with consent"),
        Route("GET", "/doctor", answers.diagnose, "What would make things fail on this machine"),
        Route("GET", "/skeleton", answers.show_skeleton, "How poses are drawn, for editors"),
        Route("POST", "/poses", answers.read_poses, "Poses of any JSON form as OpenPose JSON"),
        Route("GET", "/receipts", answers.show_receipts, "What became of the LoRAs of the last prompt"),
        Route("GET", "/settings", answers.show_settings, "Settings of this extension"),
        Route("POST", "/settings", answers.change_settings, "Change settings of this extension"),
        Route("GET", "/texts/{language}", answers.show_texts, "Texts of the tab in another language"),
    )


class Answers:
    """One function for each route. They raise UnderdrawingError."""

    def __init__(
        self,
        host: HostHooks,
        jobs: Jobs,
        settings: SettingsStore | None,
        receipts: Callable[[], dict[str, Any]],
    ) -> None:
        self._host, self._jobs, self._settings, self._lock = host, jobs, settings, threading.Lock()
        self._receipts = receipts

    def show_overview(self, call: Call) -> dict[str, Any]:
        """Version, routes, languages."""
        from .. import __version__
        from .languages import list_languages

        routes = [{"method": r.method, "path": r.path, "help": r.help} for r in list_routes(self)]
        return {"api": VERSION, "version": __version__, "languages": list_languages(), "routes": routes}

    def list_annotators(self, call: Call) -> dict[str, Any]:
        """All annotators."""
        return {"annotators": schema.describe_annotators(), "tiles": schema.describe_tiles()}

    def show_annotator(self, call: Call) -> dict[str, Any]:
        """One annotator; under another name with the values that it stands for."""
        from ..preprocessors import registry

        match = registry.resolve(call.path["name"])
        params = [schema.describe_field(field) for field in match.fields()]
        return {**schema.describe_annotator(match.annotator), "params": params, "note": match.note}

    def annotate(self, call: Call) -> dict[str, Any]:
        """Start a job of maps."""
        from .annotate import prepare_annotate

        body = bodies.read_body(call.body, bodies.AnnotateBody)
        work = prepare_annotate(body, self._host)
        title = body.annotator if isinstance(body.annotator, str) else ", ".join(body.annotator)
        return self._start(f"annotate {title}"[:200], work, call, heavy=True)

    def list_operations(self, call: Call) -> dict[str, Any]:
        """All operations."""
        return {"operations": schema.describe_operations()}

    def show_operation(self, call: Call) -> dict[str, Any]:
        """One operation."""
        from .operate import find_operation

        return schema.describe_operation(find_operation(call.path["id"]))

    def operate(self, call: Call) -> dict[str, Any]:
        """Start a job of an operation; those that only report wait for nobody."""
        from .operate import find_operation, prepare_operate

        operation, body = find_operation(call.path["id"]), bodies.read_body(call.body, bodies.OperateBody)
        work = prepare_operate(operation, body, self._host)
        return self._start(operation.spec.title, work, call, heavy=operation.target() is not None)

    def list_panels(self, call: Call) -> dict[str, Any]:
        """Panels of the tab."""
        return {"panels": schema.describe_panels()}

    def list_jobs(self, call: Call) -> dict[str, Any]:
        """All jobs, without their results."""
        return {"jobs": [job.to_json() for job in self._jobs.list_all()]}

    def show_job(self, call: Call) -> dict[str, Any]:
        """One job."""
        since = call.query.get("since", "0")
        if not since.isdecimal() or len(since) > 9:
            raise BadParameter(f"{since[:40]!r} is no number", where="since", fix="give the number of results you have")
        return self._jobs.find(call.path["id"]).to_json(int(since))

    def cancel_job(self, call: Call) -> dict[str, Any]:
        """Cancel a job."""
        bodies.read_body(call.body, bodies.NoBody)
        job = self._jobs.find(call.path["id"])
        job.cancel()
        return job.to_json()

    def list_files(self, call: Call) -> dict[str, Any]:
        """Files of a kind."""
        from .files import list_models

        kind = call.path["kind"]
        if kind not in KINDS:
            raise RequestRefused("files of this kind are not listed", status=404, fix=f"ask for {', '.join(KINDS)}")
        return {"kind": kind, "files": list_models(self._host, kind)}

    def list_weights(self, call: Call) -> dict[str, Any]:
        """Weights files."""
        from ..core.weights.store import get_store
        from ..preprocessors.weights.catalogue import list_users, records

        store = get_store()
        every = ((weight, store.try_complete(weight), store.find(weight)) for weight in records().values())
        weights = [
            {"id": w.id, **msgspec.to_builtins(whole), "annotators": list_users(w), "available": path is not None}
            for w, whole, path in every
        ]
        return {"weights": weights, "folder": str(store.folder)}

    def fetch_weights(self, call: Call) -> dict[str, Any]:
        """Start a job that fetches weights files. Raises RequestRefused without consent."""
        from .operate import find_operation, prepare_operate

        given = bodies.read_body(call.body, bodies.FetchBody)
        if not given.consent:
            fix = 'show sizes and licences first (GET /weights), then send "consent": true'
            raise RequestRefused("nothing is downloaded without consent", status=409, fix=fix)
        body = bodies.OperateBody(
            inputs={"weights": given.weights},
            params={"accept_noncommercial": given.accept_noncommercial},
            consent=True,
        )
        operation = find_operation("weights.fetch")
        return self._start(operation.spec.title, prepare_operate(operation, body, self._host), call, heavy=False)

    def diagnose(self, call: Call) -> dict[str, Any]:
        """Run the checks of `doctor`, one request after the other."""
        from ..core.diagnostics.checks import diagnose
        from ..core.diagnostics.host_checks import adapt_findings
        from ..core.weights.store import Store
        from ..preprocessors import registry

        with self._lock:
            report = diagnose(registry, Store(remember=False))
        findings = (*self._host.list_faults(), *adapt_findings(report.findings))
        report = msgspec.structs.replace(report, findings=findings)
        return {"healthy": report.healthy, **msgspec.to_builtins(report)}

    def show_skeleton(self, call: Call) -> dict[str, Any]:
        """Limbs and colours."""
        from .skeleton import describe_skeleton

        return describe_skeleton()

    def read_poses(self, call: Call) -> dict[str, Any]:
        """Poses of any origin, in pixels, with notes on how they were understood."""
        from ..core.poses.model import to_openpose
        from ..core.poses.reading import parse_poses

        found = parse_poses(call.body.get("poses"))
        documents = [to_openpose(pose, confidences=True) for pose in found.poses]
        return {"poses": documents, "notes": list(found.notes)}

    def show_receipts(self, call: Call) -> dict[str, Any]:
        """Receipts of the last generation."""
        return {"loras": [], "problems": [], **self._receipts()}

    def show_settings(self, call: Call) -> dict[str, Any]:
        """Settings and their values."""
        from .settings import describe_settings

        return describe_settings(self._settings)

    def change_settings(self, call: Call) -> dict[str, Any]:
        """Change settings."""
        store, body = self._settings, bodies.read_body(call.body, bodies.SettingsBody)
        if store is None:
            raise RequestRefused("this host stores no settings", status=404)
        store.write(body.values)
        return self.show_settings(call)

    def show_texts(self, call: Call) -> dict[str, Any]:
        """Texts of a language."""
        from .languages import read_texts

        return {"language": call.path["language"], "texts": read_texts(call.path["language"])}

    def _start(self, title: str, work: Callable[[JobRecord], None], call: Call, *, heavy: bool) -> dict[str, Any]:
        """Start a job; with ?wait=SECONDS answer when it has ended, or after so long."""
        try:
            seconds = min(max(float(call.query.get("wait", "0")), 0.0), MOST_SECONDS)
        except ValueError as error:
            raise BadParameter("is no number of seconds", where="wait", fix="write ?wait=10") from error
        job = self._jobs.start(title, work, heavy=heavy)
        return job.to_json(0) if seconds and job.wait(seconds) else job.to_json()
