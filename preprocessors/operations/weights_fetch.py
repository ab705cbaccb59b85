"""Fetch weights files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from ...core.errors import BadParameter, UnderdrawingError, WeightsMissing
from ...core.operation import Consent, Inputs, Job, Operation, Report, Spec, run_alone, slot
from ...core.params import Params, about, items

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ...core.hooks import HostHooks
    from ...core.weights.record import Weight
    from ..weights.catalogue import PlannedRun


class FetchInputs(Inputs, frozen=True):
    """Weights by id."""

    weights: Annotated[
        tuple[str, ...], slot("weights", "Id of a weights file, or its file name", repeat="all", optional=True)
    ] = ()


class FetchParams(Params, frozen=True):
    """More ways to say which."""

    annotator: Annotated[str, about("What an annotator needs, by its id or alias", many=True)] = ""
    all: Annotated[bool, about("All that these annotators can choose; without any, what any annotator needs")] = False
    commercial_ok: Annotated[bool, about("Leave out what may not be used commercially")] = False
    model: Annotated[str, about("Which of the annotator's files, by a choice of its parameters: small", many=True)] = ""
    accept_noncommercial: Annotated[bool, about("Fetch files that may not be used commercially too")] = False


class WeightsFetch(Operation[FetchInputs, FetchParams]):
    """Fetch weights files; sizes and licences are shown first.

    Calling this is consent. UNDERDRAWING_DOWNLOAD=never and HF_HUB_OFFLINE=1 still forbid it. Of an annotator, the
    files that its default parameters need are fetched. What may not be used commercially is named before anything is
    fetched, and left out unless it is accepted, by the switch or on the terminal. Downloads go on where they stopped,
    and only a file with the right sha256 gets its name. Where this project pins no hash, the one that the hub states is
    pinned on this first use.
    """

    spec = Spec(
        id="weights.fetch",
        title="Fetch weights",
        names={"comfyui": "UnderdrawingFetchWeights"},
        consent=Consent("download", "Download it, under its licence; off only shows the record"),
        volatile=True,
        added=("model", "accept_noncommercial"),
    )

    def run(self, inputs: FetchInputs, params: FetchParams, job: Job) -> Report:
        """Fetch and verify; one failure does not stop the others. Raises BadParameter, UnknownName, MissingExtra."""
        from ...core.weights.failures import ServerUnreachable
        from ...core.weights.store import get_store
        from ..weights.catalogue import describe_terms

        wanted = _list_wanted(inputs, params)
        refused = _list_refused(wanted, params, job)
        paths: dict[str, Path | None] = {}
        errors: list[UnderdrawingError] = []
        lines: list[str] = []
        left: list[str] = []
        for weight in wanted:
            if params.commercial_ok and not weight.commercial:
                job.host.note(f"{weight.id} left out: {describe_terms(weight)}")
                continue
            if left and get_store().find(weight) is None:
                left.append(weight.id)
                continue
            try:
                paths[weight.id] = path = _find_or_fetch(weight, job, is_refused=weight in refused)
            except BadParameter:
                raise
            except ServerUnreachable as error:
                errors.append(error)
                left.append(weight.id)
                continue
            except UnderdrawingError as error:
                errors.append(error)
                continue
            lines.append(
                str(path)
                if path
                else f"{weight.id}: {describe_terms(weight)}. Not on this machine; nothing was fetched"
            )
        if len(left) > 1:
            job.host.note(f"not tried, as no server is reached: {', '.join(left[1:])}")
        data = [{"id": name, "path": str(path) if path else None} for name, path in paths.items()]
        files = tuple(path for path in paths.values() if path)
        return Report(text="\n".join(lines), data=data, files=files, errors=tuple(errors), complete=not errors)


def _list_wanted(inputs: FetchInputs, params: FetchParams) -> list[Weight]:
    """Each file once. Raises BadParameter when none is named, UnknownName, MissingExtra."""
    from ..weights.catalogue import find_needed, find_records, records

    names, choices = items(params.annotator, commas=True), items(params.model, commas=True)
    if choices and not names:
        fix = "say of which annotator: --annotator ID"
        raise BadParameter("chooses among the files of an annotator", where="model", fix=fix)
    everything = list(records().values()) if params.all and not names else []
    wanted = [*find_records(inputs.weights), *everything, *find_needed(names, choices, every=params.all)]
    if not wanted and names:
        what = f"{' and '.join(names)} needs no weights file that would have to be fetched"
        raise BadParameter(what, where="annotator", fix="run it as it is")
    if not wanted:
        fix = "give an id of `underdrawing weights list`, an annotator, or all"
        raise BadParameter("nothing to fetch is named", where="weights", fix=fix)
    return list(dict.fromkeys(wanted))


def _list_refused(wanted: list[Weight], params: FetchParams, job: Job) -> list[Weight]:
    """Files for non-commercial use that would be fetched and are not accepted; they are named first."""
    from ...core.settings import DOWNLOAD
    from ...core.weights.advice import find_ban
    from ...core.weights.consent import ask
    from ...core.weights.store import get_store
    from ..weights.catalogue import describe_terms, find_size

    store = get_store()
    if params.commercial_ok or not job.consent or find_ban() or DOWNLOAD.read() == "never":
        return []  # nothing of it is fetched, or the reason is another one
    closed = [weight for weight in wanted if not weight.commercial and store.find(weight) is None]
    if not closed:
        return []
    job.host.note(f"Not for commercial use, {find_size(closed)}:")
    for weight in closed:
        job.host.note(f"  {weight.id}: {describe_terms(weight)}")
    if params.accept_noncommercial or (store.may_ask and ask("Fetch these too, for use under their licences?")):
        return []
    return closed


def fetch_needed(runs: Iterable[PlannedRun], given: Mapping[str, Any], host: HostHooks) -> Report | None:
    """Fetch what these runs need that does not come with the package; None where that is nothing.

    given: consent and parameters of the operation, and what does not concern it. Raises what the operation raises.
    """
    from ..weights.catalogue import find_weights_of

    needed = tuple(weight.id for weight in find_weights_of(runs, host) if weight.repo)
    if not needed:
        return None
    values = {field.name: given[field.name] for field in WeightsFetch.fields() if field.name in given}
    job = Job(host, consent=WeightsFetch.spec.is_agreed(given))
    return run_alone(WeightsFetch, {"weights": needed}, values, job)


def _find_or_fetch(weight: Weight, job: Job, *, is_refused: bool) -> Path | None:
    from ...core.weights.store import get_store
    from ..weights.catalogue import describe_terms

    path = get_store().find(weight)
    if path is not None or not job.consent:
        return path
    _check_allowed(weight)
    if is_refused:
        what = f"was not fetched: its licence ({weight.licence}) does not allow commercial use"
        raise WeightsMissing(
            what, where=weight.id, fix="accept that with accept_noncommercial (--accept-noncommercial)"
        )
    job.host.note(f"{weight.id}: {describe_terms(weight)}")
    with job.progress("fetch", get_store().try_complete(weight).size, "bytes") as progress:
        return get_store().fetch(weight, progress)


def _check_allowed(weight: Weight) -> None:
    from ...core.settings import DOWNLOAD
    from ..weights.catalogue import describe_terms

    if DOWNLOAD.read() == "never":
        what = f"is not on this machine ({describe_terms(weight)}), and UNDERDRAWING_DOWNLOAD=never forbids fetching it"
        fix = "unset UNDERDRAWING_DOWNLOAD, or `underdrawing weights import FILE`"
        raise WeightsMissing(what, where=weight.id, fix=fix)
