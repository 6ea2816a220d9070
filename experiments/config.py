"""What a run is: a YAML file, then key=value words of the command line, checked strictly and told by line."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from agents.llm.engine import Setting, Way
from agents.llm.outcomes import FallbackName
from agents.llm.redact import redact, refuse_secret_values, refuse_secrets
from experiments.errors import ROOT, UserError
from mechanism.swm_ap import SWMSettings, share_out
from personas.load import PersonaFileError, read_tree
from personas.spelling import suggest
from personas.yaml_tree import Place, Tree

Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$")]
Count = Annotated[int, Field(ge=1)]
MOST = 1_000_000  # of anything that is counted in the settings: more would not fit into memory
MAY_BE_NONE = ("check_episodes", "later_episodes", "mixed_episodes", "generations", "community", "traits")  # 0
Scalar = Setting

# These do not change any number of a run: they may differ when it is continued.
FREE = (
    "threads",
    "budget.calls",
    "budget.tokens",
    "population.base_url",  # a server may move; its answers are keyed by the model's name
    "population.settings.max_in_flight",
    "population.settings.timeout",
)


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class SocietyConfig(Strict):
    name: Name
    objective: str | None = None  # None = the society's own headline


class PopulationConfig(Strict):
    kind: Literal["llm", "scripted"] = "llm"
    model: str = "embedded"  # embedded, mock, or provider:model
    base_url: str | None = None  # of an OpenAI-compatible server
    people: str  # a population file or a folder of persons
    way: Way = "distribution"
    retries: Annotated[int, Field(ge=0)] = 2
    fallback: FallbackName = "repeat_last"
    max_fallback_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.05
    settings: dict[str, Scalar] = {}  # of the provider: temperature, max_tokens, timeout (s), max_in_flight, ...

    @field_validator("settings")
    @classmethod
    def _for_the_provider(cls, settings: dict[str, Scalar]) -> dict[str, Scalar]:
        refuse_secret_values(settings)
        known = {"openai_api_base": "base_url", **{name: name for name in cls.model_fields}}
        elsewhere = [f"population.{known[name]}" for name in settings if name in known]
        if elsewhere:
            raise ValueError(f"settings are the provider's own; write {' and '.join(elsewhere)} instead")
        return settings

    @field_validator("base_url")
    @classmethod
    def _no_login(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "")
        if parts.username or parts.password:
            raise ValueError("it holds a login, which would be written to the run's folder; take it out")
        refuse_secrets(name for name, _ in parse_qsl(parts.query))
        if url and redact(url) != url:
            raise ValueError("it holds a key, which would be written to the run's folder; take it out")
        return url


class BudgetConfig(Strict):
    calls: Count | None = None
    tokens: Count | None = None


class MethodConfig(BaseModel):
    """Not strict: the settings are plain dataclasses, which strict mode takes ready-made only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Literal["swm_ap"] = "swm_ap"
    settings: SWMSettings = SWMSettings()

    @field_validator("settings")
    @classmethod
    def _possible(cls, settings: SWMSettings) -> SWMSettings:
        for place, number in _numbers(settings):
            least = 0 if isinstance(number, float) or place[-1] in MAY_BE_NONE else 1
            most = 1 if str(place[-1]).endswith("rate") else MOST
            if not least <= number <= most:
                raise ValueError(f"{'.'.join(map(str, place))} is {number}; it should be {least} to {most:,}")
        share_out(settings)
        return settings


def _numbers(settings: Any, at: Place = ()) -> Iterator[tuple[Place, int | float]]:
    """Every number of nested dataclasses, with its place."""
    for name, value in ((f.name, getattr(settings, f.name)) for f in fields(settings)):
        if is_dataclass(value):
            yield from _numbers(value, (*at, name))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield (*at, name), value


class EvaluationConfig(Strict):
    communities: Annotated[int, Field(ge=2, le=MOST)] = 24  # held out; an interval needs two


class Config(Strict):
    name: Name
    seed: Annotated[int, Field(ge=0, lt=2**62)] = 0
    society: SocietyConfig
    population: PopulationConfig
    budget: BudgetConfig = BudgetConfig()
    method: MethodConfig = MethodConfig()
    baselines: list[str] = []
    evaluation: EvaluationConfig = EvaluationConfig()
    threads: Annotated[int, Field(ge=1, le=256)] = 1

    @field_validator("baselines")
    @classmethod
    def _known_there(cls, baselines: list[str], info: ValidationInfo) -> list[str]:
        society: SocietyConfig | None = info.data.get("society")
        twice = [name for name in dict.fromkeys(baselines) if baselines.count(name) > 1]
        if twice:
            raise ValueError(f"{' and '.join(twice)}: named more than once; name each baseline once")
        headline = (None, "equality_productivity")
        if society is not None and "best_fixed" in baselines and society.objective not in headline:
            others = ", ".join(name for name in baselines if name != "best_fixed")
            raise ValueError(
                f"the best fixed schedule is known for equality_productivity, not for {society.objective}: "
                f"take best_fixed out, as in baselines=[{others}]"
            )
        return baselines


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


def _resolved(
    path: Path,
    tree: Tree,
    data: Mapping[str, Any],
    overrides: Mapping[Place, tuple[str, Any]],
    small: Mapping[str, Any] | None,
) -> Config:
    """The file's data, over it `small` if that is asked for, over both the words."""
    data = dict(data)
    for place, value in _leaves(small or {}):
        _put(data, place, value)
    for place, (_, value) in overrides.items():
        _put(data, place, value)
    if small is not None:  # last, so that a small run never takes the name of a whole one
        data["name"] = f"{data['name']}-smoke" if isinstance(data["name"], str) else data["name"]
    words = {place: word for place, (word, _) in overrides.items()}
    return _checked(data, Source(path, tree, words, small is not None))


def dump_config(config: Config) -> str:
    """The resolved config as YAML; `load_config` reads it back to an equal one."""
    out = io.StringIO()
    YAML().dump(config.model_dump(), out)  # the round-trip kind keeps the order of keys
    return out.getvalue()


def differences(mine: Config, theirs: Config) -> list[str]:
    """The keys in which two configs ask for different numbers: "key: mine here, theirs there"."""
    a, b = ({k: v for k, v in _leaves(c.model_dump()) if v != {}} for c in (mine, theirs))
    keys = [place for place in dict.fromkeys([*a, *b]) if ".".join(map(str, place)) not in FREE]
    return [f"{'.'.join(map(str, k))}: {a.get(k)!r} here, {b.get(k)!r} there" for k in keys if a.get(k) != b.get(k)]


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
        what = "\n".join(f"{source.of(d['loc'])}: {_message(d)}" for d in found[:10])
        raise UserError(f"the config cannot be used\n{what}", fix="correct the lines above") from None


def _message(details: ErrorDetails) -> str:
    place, found = details["loc"], details["input"]
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
        kind = get_type_hints(kind)[str(part)]
    return tuple(f.name for f in fields(kind)) if is_dataclass(kind) else tuple(kind.model_fields)
