"""Statistics of a data set, gathered row by row from its records."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any

from ..poses.model import BODY
from .plots import Plot, plan_bars, plan_counts, plan_histogram
from .records import describe_kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .facts import MapFacts
    from .records import RowRecord

MOST_SIZES = 10
"""Sizes of pictures that are listed, the most frequent first."""


class Numbers:
    """Numbers of rows: eight bytes for each."""

    def __init__(self) -> None:
        self.values = array("d")

    def add(self, value: float) -> None:
        """Take one more."""
        self.values.append(value)

    def summarise(self) -> dict[str, float | int]:
        """Count, least, quartiles, greatest and mean."""
        import numpy as np

        values = np.sort(np.frombuffer(self.values, np.float64))  # sums depend on the order
        if not values.size:
            return {"count": 0}
        ends = np.percentile(values, [0, 25, 50, 75, 100])
        names = ("min", "lower_quartile", "median", "upper_quartile", "max")
        found = {name: _shorten(end) for name, end in zip(names, ends, strict=True)}
        return {"count": int(values.size), **found, "mean": _shorten(float(values.mean()))}


class MapStatistics:
    """Statistics of the maps of one annotator, and of the parameters they were made with."""

    def __init__(self) -> None:
        self.maps = 0
        self.people: Counter[int] = Counter()
        self.numbers: dict[str, Numbers] = {}
        self.params: dict[str, Numbers | Counter[str]] = {}

    def add(self, facts: MapFacts, params: dict[str, Any]) -> None:
        """Take one more map."""
        self.maps += 1
        if facts.people is not None:
            self.people[facts.people + (facts.animals or 0)] += 1
            for share in facts.keypoints or ():
                self._of("keypoints").add(share)
        if facts.edges is not None:
            self._of("edges").add(facts.edges)
        if facts.depth is not None:
            self._of("depth_spread").add(facts.depth.spread)
            self._of("depth_low").add(facts.depth.low)
            self._of("depth_high").add(facts.depth.high)
        for name, value in params.items():
            self._add_param(name, value)

    def _of(self, name: str) -> Numbers:
        return self.numbers.setdefault(name, Numbers())

    def _add_param(self, name: str, value: Any) -> None:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        found = self.params.setdefault(name, Numbers() if is_number else Counter())
        if isinstance(found, Numbers):
            found.add(float(value))
        else:
            found[str(value).lower() if isinstance(value, bool) else str(value)] += 1

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and dicts."""
        result: dict[str, Any] = {"maps": self.maps}
        if self.people:
            result["people"] = {str(count): self.people[count] for count in sorted(self.people)}
        result |= {name: numbers.summarise() for name, numbers in self.numbers.items()}
        params = {
            name: found.summarise() if isinstance(found, Numbers) else dict(_order_counts(found))
            for name, found in self.params.items()
        }
        return result | ({"params": params} if params else {})

    def iter_plots(self, name: str) -> Iterator[Plot]:
        """Plots of what was found; parameters that never change have none."""
        if self.people:
            yield plan_counts(f"{name}.people", f"{name}: people per picture", "people", self.people)
        for key, (title, axis, unit) in _PLOTS.items():
            if key in self.numbers:
                file, title, values = f"{name}.{key}", f"{name}: {title}", self.numbers[key].values
                if key == "keypoints":
                    found = Counter(round(share * BODY) for share in values)
                    yield plan_counts(file, title, axis, found, unit=unit)
                else:
                    yield plan_histogram(file, title, axis, values, unit=unit)
        for key, found in self.params.items():
            file, title = f"{name}.param.{key}", f"{name}: {key}"
            if isinstance(found, Numbers) and len(set(found.values)) > 1:
                yield plan_histogram(file, title, key, found.values)
            if isinstance(found, Counter) and len(found) > 1:
                yield plan_bars(file, title, key, _order_counts(found))


_PLOTS = {
    "keypoints": ("keypoints of each person", f"keypoints found of {BODY}", "people"),
    "edges": ("share of edges", "share of the map's pixels", "rows"),
    "depth_spread": ("spread of depth", "5th to 95th percentile, black to white is 1", "rows"),
    "depth_low": ("least depth value", "in the network's units", "rows"),
    "depth_high": ("greatest depth value", "in the network's units", "rows"),
}
"""Numbers of a map → title, axis and unit of their plot."""


class Statistics:
    """Statistics of all rows. Of rows that are refused only the reason's kind counts."""

    def __init__(self) -> None:
        self.rows = 0
        self.refused: Counter[str] = Counter()
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.maps: dict[str, MapStatistics] = {}

    def add(self, record: RowRecord) -> None:
        """Take one more row."""
        self.rows += 1
        if record.refused:
            self.refused[record.kind or "other"] += 1
            return
        if record.width:
            self.sizes[record.width, record.height] += 1
        for name, facts in record.facts.items():
            self.maps.setdefault(name, MapStatistics()).add(facts, record.params.get(name, {}))

    @property
    def written(self) -> int:
        """Rows that have their maps."""
        return self.rows - self.refused.total()

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, strings and dicts."""
        sizes = [{"width": w, "height": h, "rows": n} for (w, h), n in self._list_sizes()[:MOST_SIZES]]
        return {
            "rows": self.rows,
            "written": self.written,
            "refused": dict(sorted(self.refused.items())),
            "pictures": {
                "sizes": len(self.sizes),
                "most_frequent": sizes,
                "shorter_side": self._spread_sizes(min).summarise(),
                "aspect": self._spread_sizes(_find_aspect).summarise(),
            },
            "maps": {name: found.to_json() for name, found in sorted(self.maps.items())},
        }

    def list_plots(self) -> list[Plot]:
        """Plots of what there is, those of all rows first."""
        plots: list[Plot] = []
        if self.sizes:
            shorter, aspect = self._spread_sizes(min).values, self._spread_sizes(_find_aspect).values
            plots.append(plan_histogram("size", "Size of pictures", "shorter side in pixels", shorter))
            plots.append(plan_histogram("aspect", "Aspect of pictures", "width / height", aspect))
        if self.refused:
            plots.append(plan_bars("refused", "Refused rows by reason", "reason", _order_counts(self.refused)))
        return [*plots, *(plot for name, found in sorted(self.maps.items()) for plot in found.iter_plots(name))]

    def _list_sizes(self) -> list[tuple[tuple[int, int], int]]:
        return sorted(self.sizes.items(), key=lambda pair: (-pair[1], pair[0]))

    def _spread_sizes(self, measure: Any) -> Numbers:
        numbers = Numbers()
        for size, rows in sorted(self.sizes.items()):
            numbers.values.extend([measure(size)] * rows)
        return numbers


def _find_aspect(size: tuple[int, int]) -> float:
    return size[0] / size[1]


def _order_counts(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _shorten(value: float) -> float:
    return float(f"{value:.6g}")


def format_statistics(data: dict[str, Any]) -> str:
    """What `Statistics.to_json` gives, as lines of text."""
    return "\n".join(_iter_lines(data))


def _iter_lines(data: dict[str, Any]) -> Iterator[str]:
    refused = sum(data["refused"].values())
    yield f"{data['rows']} rows: {data['written']} with maps, {refused} refused"
    for kind, count in sorted(data["refused"].items(), key=lambda pair: -pair[1]):
        yield f"  {describe_kind(kind)}: {count}"
    pictures = data["pictures"]
    if pictures["sizes"]:
        yield f"pictures of {pictures['sizes']} sizes"
        common = ", ".join(f"{one['width']} x {one['height']} ({one['rows']})" for one in pictures["most_frequent"])
        yield f"  most frequent: {common}"
        yield f"  shorter side: {_format_numbers(pictures['shorter_side'])}"
        yield f"  width / height: {_format_numbers(pictures['aspect'])}"
    for name, found in data["maps"].items():
        yield f"{name}: {found['maps']} maps"
        if "people" in found:
            yield f"  people per picture: {', '.join(f'{n} in {rows}' for n, rows in found['people'].items())}"
        for key, (title, _, _) in _PLOTS.items():
            if key in found:
                yield f"  {title}: {_format_numbers(found[key])}"
        yield from _iter_params(found.get("params", {}))


def _iter_params(params: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Parameters that differ, each on a line, then those that never do."""
    fixed = {key: only for key, values in params.items() if (only := _find_only(values))}
    for key, values in params.items():
        if key not in fixed:
            counts = (f"{value} ({rows})" for value, rows in values.items())
            yield f"  {key}: {_format_numbers(values) if 'min' in values else ', '.join(counts)}"
    if fixed:
        yield f"  in every row: {', '.join(f'{key} {value}' for key, value in fixed.items())}"


def _find_only(values: dict[str, Any]) -> str:
    """The value that a parameter has in every row; empty where there are several."""
    if "min" in values:
        return f"{values['min']:g}" if values["min"] == values["max"] else ""
    return next(iter(values)) if len(values) == 1 else ""


def _format_numbers(numbers: dict[str, Any]) -> str:
    if not numbers["count"]:
        return "none"
    if numbers["min"] == numbers["max"]:
        return f"{numbers['min']:g} always"
    middle = f"half of them {numbers['lower_quartile']:g} to {numbers['upper_quartile']:g}"
    return f"{numbers['min']:g} to {numbers['max']:g}, median {numbers['median']:g}, {middle}"
