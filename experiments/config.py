"""What a run is: a YAML file, then key=value words of the command line, checked strictly and told by line."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from experiments.config_people import PopulationConfig, Strict
from experiments.config_sections import BudgetConfig, CompareConfig, EvaluationConfig, MethodConfig, Name, SocietyConfig
from experiments.errors import ROOT, UserError
from experiments.small_training import for_its_people
from personas.load import PersonaFileError, read_tree
from personas.spelling import suggest
from personas.yaml_tree import Place, Tree, parse_tree

SMOKE = "-smoke"  # at the end of a small run's name
# These do not change any number of a run: they may differ when it is continued.
FREE = (
    "threads",
    "budget.calls",
    "budget.tokens",
    "budget.money",
    "budget.prices",
    "population.base_url",  # a server may move; its answers are keyed by the model's name
    "population.settings.max_in_flight",
    "population.settings.timeout",
    "population.settings.patience",
    "population.max_fallback_share",  # says when a run stops, not what its answers are
    "population.others.base_url",
    "population.others.settings.max_in_flight",
    "population.others.settings.timeout",
    "population.others.settings.patience",
    "compare.seeds",  # more of them leave those that are there as they are
)


class Config(Strict):
    name: Name
    seed: Annotated[int, Field(ge=0, lt=2**62)] = 0
    society: SocietyConfig
    population: PopulationConfig
    budget: BudgetConfig = BudgetConfig()
    method: MethodConfig = MethodConfig()
    baselines: list[str] = Field(default_factory=list[str])
    evaluation: EvaluationConfig = EvaluationConfig()
    compare: CompareConfig = CompareConfig()
    threads: Annotated[int, Field(ge=1, le=256)] = 1

    @field_validator("baselines")
    @classmethod
    def _each_once(cls, baselines: list[str]) -> list[str]:
        twice = [name for name in dict.fromkeys(baselines) if baselines.count(name) > 1]
        if twice:
            raise ValueError(f"{' and '.join(twice)}: named more than once; name each baseline once")
        return baselines


def smoke_notes(config: Config) -> tuple[str, ...]:
    """What a reader of a small run must know."""
    return ("this was a smoke run: its figures mean nothing",) if config.name.endswith(SMOKE) else ()


@dataclass(frozen=True)
class Source:
    """Where each key came from, so that an error can name the place."""

    path: Path
    tree: Tree
    words: Mapping[Place, str]  # place -> the word of the command line that set it
    smoke: bool  # was the file's own `smoke:` section put over it?

    def of(self, place: Place) -> str:
        """file:line, or the word of the command line."""
        in_file = self.tree.name_of(place) == ".".join(map(str, place))
        for at, word in self.words.items():
            if place[: len(at)] == at or (at[: len(place)] == place and not in_file):
                return f"the command line, {word}"
        if self.smoke and self.tree.name_of(("smoke", *place)) == ".".join(map(str, ("smoke", *place))):
            return f"{self.path}:{self.tree.line_of(('smoke', *place))}"
        return f"{self.path}:{self.tree.line_of(place)}"


def load_config(path: Path, words: Sequence[str] = (), smoke: bool = False) -> Config:
    """The config at `path` with `key=value` words put over it. `name` defaults to the file's name.

    With `smoke`, the file's own `smoke:` section (a mapping like the file itself) goes in between, and the name gains
    "-smoke". UserError naming file:line or word, and the fix; so too where nobody said what is small.
    """
    tree = _read(path)
    data: dict[str, Any] = {"name": path.stem, **_mapping(tree.data)}
    small = _small(data.pop("smoke", None), tree, path, smoke)
    overrides = dict(_override(word) for word in words)
    config = _resolved(path, tree, data, overrides, small if smoke else None)
    if small and not smoke:
        _resolved(path, tree, data, overrides, small)  # a mistake there is told now, not on the day it is used
    return config


def config_of(data: Mapping[str, Any], words: Sequence[str]) -> Config:
    """A config that is no file: these data, with `key=value` words put over them. UserError naming the word."""
    nowhere = Path("the command line")
    return _resolved(nowhere, parse_tree("{}"), data, dict(_override(word) for word in words), None)


def _resolved(
    path: Path,
    tree: Tree,
    data: Mapping[str, Any],
    overrides: Mapping[Place, tuple[str, Any]],
    small: Mapping[str, Any] | None,
) -> Config:
    """The file's data, over it `small` if that is asked for, over both the words."""
    given = {place: value for place, (_, value) in overrides.items()}
    if small is not None:
        small = for_its_people(small, _with(_with(data, dict(_leaves(small))), given))
    data = _with(_with(data, dict(_leaves(small or {}))), given)
    if small is not None:  # last, so that a small run never takes the name of a whole one
        data["name"] = f"{data['name']}{SMOKE}" if isinstance(data["name"], str) else data["name"]
    words = {place: word for place, (word, _) in overrides.items()}
    return _checked(data, Source(path, tree, words, small is not None))


def _with(data: Mapping[str, Any], values: Mapping[Place, Any]) -> dict[str, Any]:
    """The data with these values put over them."""
    data = dict(data)
    for place, value in values.items():
        _put(data, place, value)
    return data


def dump_config(config: Config) -> str:
    """The resolved config as YAML; `load_config` reads it back to an equal one."""
    out = io.StringIO()
    YAML().dump(config.model_dump(), out)  # the round-trip kind keeps the order of keys
    return out.getvalue()


def differences(mine: Config, theirs: Config) -> list[str]:
    """The keys in which two configs ask for different numbers: "key: mine here, theirs there"."""
    a, b = ({k: v for k, v in _leaves(_numbered(c.model_dump())) if v != {}} for c in (mine, theirs))
    keys = [place for place in dict.fromkeys([*a, *b]) if _key(place) not in FREE]
    return [f"{'.'.join(map(str, k))}: {a.get(k)!r} here, {b.get(k)!r} there" for k in keys if a.get(k) != b.get(k)]


def _key(place: Place) -> str:
    """With dots, without the numbers of list entries."""
    return ".".join(part for part in map(str, place) if not part.isdigit())


def _numbered(data: dict[str, Any]) -> dict[str, Any]:
    """With lists of sections as sections by number, so that each key of them is compared."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        sections = isinstance(value, list) and value and all(isinstance(one, dict) for one in value)
        inner = {str(i): one for i, one in enumerate(value)} if sections else value
        found[key] = _numbered(inner) if isinstance(inner, dict) else inner
    return found


def _read(path: Path) -> Tree:
    if not path.is_file():
        there = sorted(p.name for p in (ROOT / "experiments" / "configs").glob("*.yaml"))
        near = suggest(path.name, there)
        raise UserError(
            "no such config file" + near, where=str(path), fix=f"experiments/configs has {', '.join(there)}"
        )
    try:
        return read_tree(path)
    except PersonaFileError as error:
        raise UserError(error.problems[0].message, where=f"{path}:{error.problems[0].line or 1}") from None


def _small(section: object, tree: Tree, path: Path, needed: bool) -> dict[str, Any]:
    """The `smoke:` section. UserError where it is no section, or is `needed` and not there."""
    if isinstance(section, dict) and section:
        return dict(section)
    if section is None and not needed:
        return {}
    raise UserError(
        "--smoke needs a section `smoke:` that says what is made smaller",
        where=f"{path}:{tree.line_of(('smoke',)) or 1}",
        fix="write one as in experiments/configs/demo.yaml",
    )


def _mapping(data: object) -> dict[str, Any]:
    return dict(data) if isinstance(data, dict) else {}


def _override(word: str) -> tuple[Place, tuple[str, Any]]:
    """ "a.b=3" -> (("a", "b"), (word, 3)). The value is read as YAML, so 3 is a number and [a, b] a list."""
    key, mark, text = word.partition("=")
    if not mark or not key or not all(key.split(".")):
        raise UserError(
            f"{word!r} is not key=value", where="the command line", fix="write it like seed=3 or budget.calls=500"
        )
    try:
        return tuple(key.split(".")), (word, YAML(typ="safe", pure=True).load(text))
    except YAMLError:
        raise UserError(f"the value of {word!r} cannot be read", where="the command line", fix="quote it") from None


def _put(data: dict[str, Any], place: Place, value: object) -> None:
    for part in place[:-1]:
        inner = data.get(str(part))
        data[str(part)] = dict(inner) if isinstance(inner, dict) else {}
        data = data[str(part)]
    data[str(place[-1])] = value


def _leaves(data: Mapping[str, Any], at: Place = ()) -> Iterator[tuple[Place, Any]]:
    for key, value in data.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*at, key))
        else:
            yield (*at, key), value


def _checked(data: Mapping[str, Any], source: Source) -> Config:
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        found = error.errors()
        what = "\n".join(f"{source.of(_place(d))}: {_message(d)}" for d in found[:10])
        raise UserError(f"the config cannot be used\n{what}", fix="correct the lines above") from None


def _place(details: ErrorDetails) -> Place:
    """Where in the config; a section's own check may say which part of it is meant."""
    return (*details["loc"], *details.get("ctx", {}).get("place", ()))


def _message(details: ErrorDetails) -> str:
    place, found = _place(details), details["input"]
    key = ".".join(map(str, place))
    match details["type"]:
        case "missing":
            return f"{key} is missing; it is needed"
        case "extra_forbidden" | "unexpected_keyword_argument":
            allowed = _keys_at(place[:-1])
            return f"unknown key {key!r}{suggest(str(place[-1]), allowed)}; allowed here: {', '.join(allowed)}"
        case "model_type" | "model_attributes_type" | "dataclass_type":
            return f"{key} should be a section with the keys {', '.join(_keys_at(place))}"
        case "value_error":
            return f"{key}: {details['msg'].removeprefix('Value error, ')}"
        case _:
            return f"{key}: found {found!r}; {details['msg'][:1].lower()}{details['msg'][1:]}"


def _keys_at(place: Place) -> tuple[str, ...]:
    """The keys of a section, whether pydantic or a dataclass holds it."""
    kind: Any = Config
    for part in place:
        kind = get_args(kind)[0] if isinstance(part, int) else get_type_hints(kind)[part]
    return tuple(f.name for f in fields(kind)) if is_dataclass(kind) else tuple(kind.model_fields)
