"""Small packages laid out as pip would, so that their entry points are found."""

from collections.abc import Mapping
from pathlib import Path


def installed(folder: Path, name: str, files: Mapping[str, str], entry_points: Mapping[str, str]) -> None:
    """The files and the metadata of a package of version 0.1; entry_points: group -> its lines."""
    metadata = folder / f"{name.replace('-', '_')}-0.1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n", encoding="utf-8")
    groups = "".join(f"[{group}]\n{lines}\n" for group, lines in entry_points.items() if lines)
    (metadata / "entry_points.txt").write_text(groups, encoding="utf-8")
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")
