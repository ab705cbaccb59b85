"""Files of operations: where new ones go, and those of what is handed on: poses as JSON, pictures as PNG."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BadParameter
from .file_names import check_relative_name
from .files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .operation import Job, Operation, Report
    from .params import Value


def write_results(report: Report, inputs: dict[str, Any], target: str) -> list[Path]:
    """Write poses and pictures of a report; returns the files. target: name of the input that says where to.

    Poses go to that file, pictures into that folder under the name of the input. Raises BadParameter, WriteFailed.
    """
    output = inputs.get(target)
    sources = [value for name, value in inputs.items() if isinstance(value, Path) and name != target]
    files = _encode(report, output, sources[0].stem) if isinstance(output, Path) and sources else {}
    for path, content in files.items():
        if path.exists() and any(source.exists() and path.samefile(source) for source in sources):
            what = "is the file to read, which stays as it is"
            raise BadParameter(what, where=str(path), fix="choose another name")
        atomic_write(path, content)
    return list(files)


def _encode(report: Report, output: Path, stem: str) -> dict[Path, bytes]:
    files: dict[Path, bytes] = {}
    if report.poses is not None:
        documents: Any = list(report.poses) if report.batch else report.poses[0]
        files[output] = json.dumps(documents, indent=1, allow_nan=False).encode() + b"\n"
    for picture in report.pictures:
        from .images.writing import encode_png

        files[output / f"{stem}{picture.ending}.png"] = encode_png(picture.pixels, picture.info)
    return files


def read_inputs(operation: type[Operation[Any, Any]], inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs as the operation takes them, from files: poses are read. Raises BadImage."""
    from .poses.files import read_poses

    poses = {slot.name for slot in operation.slots() if slot.kind == "poses"}
    return {name: read_poses(value) if name in poses else value for name, value in inputs.items()}


def find_new_file(
    operation: type[Operation[Any, Any]], name: str, values: dict[str, Value], job: Job, source: str
) -> Path | None:
    """Where the new file of an operation goes in a host that asks for a name: into the first folder of its kind.

    None where no name is given and nothing need be written. source: name of the input, for operations that may do
    without another name. Raises BadParameter for a name that is none, WriteFailed for a file that is there and may not
    be replaced.
    """
    target = operation.target()
    if target is None:
        raise TypeError(f"{operation.spec.id} writes nothing")
    suffix, name = operation().suffix(operation.params(**values)), str(name).strip()
    if not name and target.optional:
        return None
    if not name and target.name_optional:
        name = source.rpartition(".")[0]
    file = check_relative_name(f"{name.removesuffix(suffix)}{suffix}" if name else name)
    path = job.host.folders(target.kind)[0] / file
    job.check_free(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def find_targets(
    operation: type[Operation[Any, Any]], kind: str, sources: Sequence[Path], output: object
) -> dict[Path, Path | None]:
    """Files to run an operation on, and for each where its results go, where that is not the place that was named.

    kind: of the slot they are for. Raises BadParameter where two would have the same name, BadImage for a folder
    without poses.
    """
    from .poses.inputs import expand_pose_files

    target = operation.target()
    if kind != "poses" or target is None or not isinstance(output, Path):
        return dict.fromkeys(sources)
    files, several = expand_pose_files(sources)
    if target.suffix and not (several or output.is_dir()):
        return dict.fromkeys(files)
    if output.is_file():
        what = "is a file, and several poses are changed"
        raise BadParameter(what, where=str(output), fix="name a folder for them")
    return _name_results(files, output, target.suffix)


def _name_results(files: Sequence[Path], output: Path, suffix: str) -> dict[Path, Path | None]:
    """File, or folder of pictures, for the results of each file: in sub folders where files have equal names."""
    from .batch.inputs import Source
    from .batch.names import plan_names

    results: dict[Path, Path | None] = {}
    for source, name in plan_names([Source(path=file) for file in files], lambda _: True).items():
        if not suffix and name.stem != source.path.stem:  # pictures are named after their file's stem
            what = f"{source.path} and another file beside it would give the same map"
            raise BadParameter(what, fix="write them into two folders")
        results[source.path] = output / name.folder / (f"{name.stem}{suffix}" if suffix else "")
    return results
