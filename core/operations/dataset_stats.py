"""Describe data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..operation import Inputs, Job, Operation, Report, Spec, slot, target
from ..params import Params

if TYPE_CHECKING:
    from ..dataset.statistics import Statistics

DATASET = "Folder that `underdrawing dataset annotate` wrote"


class StatsInputs(Inputs, frozen=True):
    """One data set."""

    dataset: Annotated[Path, slot("file", DATASET)]
    output: Annotated[Path, target("pictures", "Folder for stats.json and plots as PNG", suffix="", optional=True)]


class DatasetStats(Operation[StatsInputs, Params]):
    """Say what a data set holds: rows, reasons for refusals, sizes, people, edges, depth, parameters that were drawn.

    Everything comes from the records of the rows, so no map is opened. With -o DIR the numbers are written there as
    stats.json, each plot as a PNG of its own, and all of them together as stats.png.
    """

    spec = Spec(id="dataset.stats", title="Describe a data set", hosts=("cli",))

    def run(self, inputs: StatsInputs, params: Params, job: Job) -> Report:
        """Gather the records. Raises BadParameter where there is no data set, BadImage for a damaged record."""
        from ..dataset.manifest import Manifest
        from ..dataset.statistics import Statistics, format_statistics

        manifest, found = Manifest(inputs.dataset), Statistics()
        manifest.read_settings()
        reports = manifest.list_reports()
        with job.progress("stats", len(reports), "shards") as progress:
            for number, name in enumerate(reports):
                for record in manifest.iter_records(name):
                    found.add(record)
                progress(number + 1, len(reports))
        missing = len(manifest.list_shards().keys() - reports.keys())
        notes = (f"shards that are not annotated yet, and not counted: {missing}",) if missing else ()
        data = found.to_json()
        files = _write(found, inputs.output) if inputs.output else ()
        return Report(text=format_statistics(data), data=data, files=files, notes=notes)


def _write(found: Statistics, folder: Path) -> tuple[Path, ...]:
    """Write numbers and plots. Raises WriteFailed."""
    from ..batch.outputs import to_safe_name
    from ..dataset.plots import draw_plot, draw_plots
    from ..files import atomic_write
    from ..images.writing import encode_png

    plots = found.list_plots()
    files = {"stats.json": json.dumps(found.to_json(), indent=1).encode() + b"\n"}
    files |= {f"{to_safe_name(plot.name)}.png": encode_png(draw_plot(plot), {"plot": plot.title}) for plot in plots}
    if plots:
        files["stats.png"] = encode_png(draw_plots(plots), {"plot": "all"})
    return tuple(atomic_write(folder / name, content) for name, content in files.items())
