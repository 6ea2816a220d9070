"""Which societies an embedded model was taught: their rules in words, and how their questions are answered."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "societies.json"


@dataclass(frozen=True)
class Taught:
    """One society. Questions begin with `rules`; answers are one of `choices` under `key`."""

    name: str
    rules: str
    key: str
    choices: tuple[str, ...]  # [K]

    def fault(self, key: str, choices: Iterable[str]) -> str | None:
        """Why a question of this society cannot be answered, or None."""
        if key != self.key:
            return f"the embedded model answers {self.name} under the key {self.key!r}, not {key!r}"
        strange = [choice for choice in choices if choice not in self.choices]
        if strange:
            first, last = self.choices[0], self.choices[-1]
            return f"the embedded model answers {self.name} with one of {first!r} to {last!r}, not {strange[0]!r}"
        return None


def read_taught(folder: Path) -> tuple[Taught, ...]:
    """The societies of a model folder. OSError, ValueError, KeyError or TypeError if its file is not as `listed`."""
    found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return tuple(Taught(s["name"], s["rules"], s["key"], tuple(s["choices"])) for s in found)


def listed(taught: Iterable[Taught]) -> str:
    """The file of a model folder."""
    return json.dumps([asdict(society) for society in taught], indent=1, ensure_ascii=False) + "\n"
