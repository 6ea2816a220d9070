"""How the learning of a run went, step by step: losses of the world model, welfare of the policy, as JSON lines."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.files import write_text

POINTS = 100  # of each curve that are kept; the first and the last are always among them


@dataclass(frozen=True)
class Point:
    """One line."""

    part: str  # people-0, rules-0, ...: what is kept as one stage
    what: str  # "fitting the world model", ...
    step: int
    value: float  # a loss, the mean reward of a step, or the mean payoff of people's decisions


@dataclass(frozen=True)
class Metrics:
    """A file of points. A part that starts again replaces its earlier points."""

    file: Path

    def begin(self, part: str) -> None:
        """Forgets what an interrupted attempt at the part had written."""
        kept = [point for point in self.points() if point.part != part]
        write_text(self.file, "".join(_line(point) for point in kept))

    def add(self, point: Point, of: int) -> None:
        """One line, at once on its way to the disk; of long curves only every so many. `of`: the curve's last step."""
        if point.step in (1, of) or point.step % max(1, of // POINTS) == 0:
            with self.file.open("a", encoding="utf-8") as out:
                out.write(_line(point))

    def points(self) -> list[Point]:
        """Every whole line. One that a kill cut short, or that cannot be read, is left out: it only draws a curve."""
        if not self.file.exists():
            return []
        lines = self.file.read_text(encoding="utf-8", errors="replace").split("\n")
        return [point for line in lines[:-1] if (point := _point(line))]


def _point(line: str) -> Point | None:
    try:
        found = json.loads(line)
        return Point(str(found["part"]), str(found["what"]), int(found["step"]), float(found["value"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _line(point: Point) -> str:
    return json.dumps(asdict(point)) + "\n"
