"""Readings as a page and as plots, and the file that keeps them from run to run."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from measure import Measure, Reading


@dataclass(frozen=True)
class Result:
    """The rounds of one measure."""

    measure: Measure
    readings: Sequence[Reading]
    origin: str
    """The command, the revision and the machine."""

    def line(self) -> str:
        """For the terminal."""
        measure = self.measure
        return f"  {self._median()} ({measure_goal(measure)}): {'met' if measure.met(self.readings) else 'missed'}"

    def row(self) -> str:
        """Of the table."""
        measure = self.measure
        values = [measure.value(reading) for reading in self.readings]
        spread = f"{_number(min(values))} to {_number(max(values))}"
        met = "yes" if measure.met(self.readings) else "**no**"
        return (
            f"| {measure.title} | {self._median()} | {spread} | {measure_goal(measure)} | {met} |"
        )

    def rounds(self) -> str:
        """What each round read, as a table."""
        measure = self.measure
        details = list(dict.fromkeys(key for reading in self.readings for key in reading.details))
        with_yardstick = any(reading.yardstick is not None for reading in self.readings)
        headings = [f"product, {measure.unit}"]
        headings += [f"yardstick, {measure.unit}", "ratio"] if with_yardstick else []
        headings += details
        lines = [
            f"| round | {' | '.join(headings)} |",
            f"|{'---|' * (len(headings) + 1)}",
        ]
        for number, reading in enumerate(self.readings, 1):
            cells = [_number(reading.product)]
            if reading.yardstick is not None:
                cells += [_number(reading.yardstick), _number(measure.value(reading))]
            cells += [_number(reading.details.get(key, 0)) for key in details]
            lines.append(f"| {number} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def _median(self) -> str:
        measure = self.measure
        unit = "" if self.readings[0].yardstick is not None else f" {measure.unit}"
        return f"{_number(measure.median(self.readings))}{unit}"


def measure_goal(measure: Measure) -> str:
    """What has to be reached, in words."""
    return f"at {'most' if measure.at_most else 'least'} {_number(measure.goal)}"


def load(file: Path, measures: Sequence[Measure]) -> dict[str, Result]:
    """What earlier runs have kept, by measure."""
    if not file.exists():
        return {}
    kept = json.loads(file.read_text(encoding="utf-8"))
    return {
        measure.name: Result(
            measure,
            [Reading(**reading) for reading in kept[measure.name]["readings"]],
            kept[measure.name]["origin"],
        )
        for measure in measures
        if measure.name in kept
    }


def keep(file: Path, results: Sequence[Result]) -> None:
    """Write them for later runs."""
    kept = {
        result.measure.name: {
            "origin": result.origin,
            "readings": [asdict(reading) for reading in result.readings],
        }
        for result in results
    }
    file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def notes(file: Path) -> dict[str, str]:
    """What people have found out about a measure, by its name."""
    found: dict[str, str] = tomllib.loads(file.read_text(encoding="utf-8"))
    return found


def page(results: Sequence[Result], remarks: Mapping[str, str]) -> str:
    """The text of the results, with what is remarked on them."""
    parts = [
        "# Results",
        "Made by `bench/run.py` of the readings in results.json and the remarks in notes.toml. Servers, product and load share the machine, so only"
        " the ratios say something: each yardstick ran in the same round as what it is for. [README.md](README.md) says what"
        " is measured.",
        "\n".join(
            [
                "| measure | median | rounds | must be | met |",
                "|---|---|---|---|---|",
                *[result.row() for result in results],
            ]
        ),
    ]
    for result in results:
        name = result.measure.name
        parts += [
            f"## {name}",
            result.measure.title,
            f"![{name}](plots/{name}.svg)",
            result.rounds(),
            result.origin,
        ]
        if name in remarks:
            parts.append(remarks[name].strip())
    return "\n\n".join(parts) + "\n"


def plot(result: Result, place: Path) -> None:
    """The rounds beside the goal, as SVG."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "flusso"
    from matplotlib import pyplot

    measure = result.measure
    values = [measure.value(reading) for reading in result.readings]
    figure, axes = pyplot.subplots(figsize=(5, 1.2 + 0.25 * len(values)), layout="constrained")
    axes.barh([f"round {number}" for number in range(1, len(values) + 1)], values, color="#4c72b0")
    axes.axvline(measure.goal, color="#c44e52", label=measure_goal(measure))
    axes.invert_yaxis()
    axes.set_xlabel("product / yardstick" if result.readings[0].yardstick else measure.unit)
    axes.legend(loc="lower right")
    figure.savefig(place, metadata={"Date": None})
    pyplot.close(figure)


def _number(value: float) -> str:
    if value == int(value) and abs(value) >= 1:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 0.01 else f"{value:.2g}"
