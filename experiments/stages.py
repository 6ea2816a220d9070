"""The costly parts of a run, each done once: a finished stage is a file, and a second run of the command reads it."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from experiments.errors import UserError
from experiments.files import read_json, write_atomic, write_json
from experiments.provenance import embedded_weights

T = TypeVar("T")


class Form(Protocol[T]):
    """How a stage's result is written and read."""

    suffix: str

    def write(self, value: T, path: Path) -> None:
        """Writes the whole result to `path`."""
        ...

    def read(self, path: Path) -> T:
        """What was written. ValueError if it cannot be read."""
        ...


class JsonForm:
    """Numbers, texts, lists and mappings."""

    suffix = ".json"

    def write(self, value: Any, path: Path) -> None:
        path.write_text(json.dumps(value, allow_nan=False, ensure_ascii=False), encoding="utf-8")

    def read(self, path: Path) -> Any:
        return read_json(path)


class TensorForm:
    """Named tensors, bit for bit."""

    suffix = ".safetensors"

    def write(self, value: Mapping[str, Tensor], path: Path) -> None:
        try:
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in value.items()}, path)
        except SafetensorError as error:  # which is no OSError, even of a full disk
            raise OSError(f"{path} cannot be written: {error}") from error

    def read(self, path: Path) -> Mapping[str, Tensor]:
        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"not a safetensors file: {error}") from error


class LevelsForm(TensorForm):
    """Named tensors of figures: ValueError, to write or to read, where one of them is no finite number."""

    def write(self, value: Mapping[str, Tensor], path: Path) -> None:
        _all_finite(value)
        super().write(value, path)

    def read(self, path: Path) -> Mapping[str, Tensor]:
        value = super().read(path)
        _all_finite(value)
        return value


def _all_finite(value: Mapping[str, Tensor]) -> None:
    for name, tensor in value.items():
        if bad := int((~tensor.isfinite()).sum()):
            raise ValueError(f"{bad} of {tensor.numel()} numbers of {name!r} are not finite")


JSON, TENSORS, LEVELS = JsonForm(), TensorForm(), LevelsForm()


@dataclass(frozen=True)
class Stages:
    """Results by name in a folder. `seconds.json` there adds up what each stage took, over all sessions."""

    folder: Path

    def get(self, name: str, form: Form[T], make: Callable[[], T]) -> T:
        """The result of a stage: read if it is finished, else made and put in place at once and whole.

        A fresh result is read back before it is returned, so that both paths give the very same value.
        """
        path = self.folder / f"{name}{form.suffix}"
        if not path.exists():
            self._make(name, form, make, path)
        return self.read(name, form)

    def _make(self, name: str, form: Form[T], make: Callable[[], T], path: Path) -> None:
        self._add_seconds(name, 0.0)  # what cannot be read or written is told before the work, not after it
        started = time.monotonic()
        try:
            value = make()
            write_atomic(path, lambda part: form.write(value, part))
        finally:
            self._add_seconds(name, time.monotonic() - started)

    def read(self, name: str, form: Form[T]) -> T:
        """A finished result. FileNotFoundError where it is not finished; UserError where it cannot be read."""
        path = self.folder / f"{name}{form.suffix}"
        try:
            return form.read(path)
        except ValueError as error:
            raise UserError(
                f"a finished stage cannot be read: {error}",
                where=str(path),
                fix="put that file back (`git checkout -- FILE`, if it came with the repository), or delete it",
            ) from error

    def finished(self, name: str, form: Form[Any]) -> bool:
        """Is the stage's result there already?"""
        return (self.folder / f"{name}{form.suffix}").exists()

    def seconds(self) -> dict[str, float]:
        """What each stage took so far."""
        file = self.folder / "seconds.json"
        taken = read_json(file) if file.exists() else {}
        if not isinstance(taken, dict):
            raise UserError("not seconds by stage", where=str(file), fix="delete that file")
        return cast(dict[str, float], taken)

    def _add_seconds(self, name: str, seconds: float) -> None:
        taken = self.seconds()
        write_json(self.folder / "seconds.json", {**taken, name: taken.get(name, 0.0) + seconds})


def stages_of(settings: Mapping[str, Any], folder: Path) -> Stages:
    """The finished parts of work with these settings and this embedded model; others lie in folders of their own."""
    decisive = json.dumps({**settings, "embedded_model": embedded_weights()}, sort_keys=True)
    return Stages(folder / "stages" / hashlib.sha256(decisive.encode()).hexdigest()[:8])
