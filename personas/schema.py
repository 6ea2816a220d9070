"""What a persona file and a population file may say. Pydantic models, used at the border only.

Every model refuses unknown keys, wrong types, NaN and infinity. Checks that need more than one field are in
`personas.checks`; reading files and naming lines is `personas.load`.
"""

import math
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, PrivateAttr

from personas.census import Census
from personas.incomes import HIGHEST_INCOME, LOWEST_INCOME
from personas.spelling import suggest
from personas.traits import TRAITS
from personas.words import clean

PUBLIC_BY_DEFAULT = frozenset({"wage"})
MOST = 10_000  # people in a roster
MAX_BIOGRAPHY, MAX_LINE = 2_000, 200  # characters


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


def _documented(name: str) -> str:
    if name not in TRAITS:
        raise ValueError(f"no such trait{suggest(name, TRAITS)}; the traits are {', '.join(TRAITS)}")
    return name


def _identifier(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", text):
        raise ValueError(f"found {text!r}; should be lower-case letters, digits, '-' and '_', such as 'maria-keller'")
    return text


def _person_id(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", text):
        raise ValueError(
            f"found {text!r}; should be lower-case letters, digits and -_., at most 64 of them, such as 'maria-keller'"
        )
    return text


def _beside(name: str) -> str:
    if re.search(r"[/\\\0]", name) or name in ("", ".", ".."):
        raise ValueError(f"found {name!r}; should be the name of a file beside this one, such as census.csv")
    return name


def _fact(value: object) -> float | str:
    if isinstance(value, str) and clean(value) and len(value.strip()) <= MAX_LINE:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise ValueError(f"should be a finite number or a text of 1 to {MAX_LINE} characters")


def _filled(text: str) -> str:
    if not clean(text):  # of invisible characters alone counts as empty: nobody would read anything
        raise ValueError("should not be empty")
    return text


Identifier = Annotated[str, AfterValidator(_identifier)]
PersonId = Annotated[str, AfterValidator(_person_id)]
FileName = Annotated[str, AfterValidator(_beside)]
TraitName = Annotated[str, AfterValidator(_documented)]
Line = Annotated[str, Field(max_length=MAX_LINE), AfterValidator(_filled)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]


def _entry(value: object) -> object:
    """A bare value is an attribute with the default mark."""
    return value if isinstance(value, dict) else {"value": value}


class Attribute(Strict):
    """One declared fact and who may see it; `public: null` means the default mark of that name."""

    value: Annotated[float | str, PlainValidator(_fact)]
    public: bool | None = None


class PersonaFile(Strict):
    id: PersonId
    name: Line
    biography: Annotated[str, Field(max_length=MAX_BIOGRAPHY)] = ""
    attributes: dict[Identifier, Annotated[Attribute, BeforeValidator(_entry)]] = {}
    traits: dict[TraitName, Share] = {}
    words: dict[TraitName, Line] = {}


class Gb2(Strict):
    """The wage (dollars an hour) of a person whose yearly income at 40 hours is a clipped GB2 draw."""

    law: Literal["gb2"]
    low: Positive = LOWEST_INCOME  # dollars a year
    high: Positive = HIGHEST_INCOME
    public: bool | None = None


class Normal(Strict):
    """A normal draw, clipped to low .. high."""

    law: Literal["normal"]
    mean: float
    sd: Positive
    low: float
    high: float
    public: bool | None = None


class Lognormal(Strict):
    """median * exp(spread * eps), clipped to low .. high."""

    law: Literal["lognormal"]
    median: Positive
    spread: Positive
    low: Positive
    high: Positive
    public: bool | None = None


class Uniform(Strict):
    law: Literal["uniform"]
    low: float
    high: float
    public: bool | None = None


class Integer(Strict):
    """A whole number from low to high, both included, all equally likely."""

    law: Literal["integer"]
    low: int
    high: int
    public: bool | None = None


class Choice(Strict):
    """One of several words; the weights need not sum to one."""

    law: Literal["choice"]
    options: Annotated[dict[Line, Positive], Field(min_length=1)]
    public: bool | None = None


class Constant(Strict):
    law: Literal["constant"]
    value: float
    public: bool | None = None


class FromTable(Strict):
    """What stands in a column of the population's table: words, numbers, or bands such as 25-34, drawn evenly."""

    law: Literal["table"]
    column: Line | None = None  # the attribute's own name, if nothing is said
    whole: bool | None = None  # do bands hold whole numbers, both ends included? If nothing is said: the age, yes
    public: bool | None = None


class Logistic(Strict):
    """u = sigmoid(mean + sum_k loadings_k c_k + sum_k slopes_k c_k s + noise * eps).

    c_k are the roster's community draws, s = clip((ln y - 10.5) / 1.1, -2, 2) with y the yearly income at 40 hours.
    """

    law: Literal["logistic"]
    mean: float = 0.0
    loadings: dict[str, float] = {}
    slopes: dict[str, float] = {}
    noise: Annotated[float, Field(ge=0.0)]


class TraitNormal(Strict):
    """A normal draw, clipped to low .. high; preferred_hours in hours a week, other traits in [0, 1]."""

    law: Literal["normal"]
    mean: float
    sd: Positive
    low: float
    high: float


class TraitUniform(Strict):
    law: Literal["uniform"]
    low: float
    high: float


class TraitConstant(Strict):
    law: Literal["constant"]
    value: float


class Beta(Strict):
    law: Literal["beta"]
    a: Positive
    b: Positive


class Coin(Strict):
    """1 with that chance, else 0: for people who are of one kind or the other."""

    law: Literal["coin"]
    chance: Share = 0.5


class TraitFromTable(Strict):
    """As `FromTable`; preferred_hours in hours a week, other traits in [0, 1]."""

    law: Literal["table"]
    column: Line | None = None


AnyAttributeLaw = Gb2 | Normal | Lognormal | Uniform | Integer | Choice | Constant
AnyTraitLaw = Logistic | TraitNormal | TraitUniform | TraitConstant | Beta | Coin
AttributeLaw = Annotated[AnyAttributeLaw | FromTable, Field(discriminator="law")]
TraitLaw = Annotated[AnyTraitLaw | TraitFromTable, Field(discriminator="law")]


class Correlation(Strict):
    """The correlation of two variables' normal scores, before their laws are applied."""

    between: Annotated[list[str], Field(min_length=2, max_length=2)]
    value: Annotated[float, Field(gt=-1.0, lt=1.0)]


class Table(Strict):
    """A table of people beside the population file, in counts or in shares that sum to 1."""

    file: FileName
    counts: Line | None = None  # the column that holds them
    shares: Line | None = None


class PopulationFile(Strict):
    name: Identifier
    description: str = ""
    size: Annotated[int, Field(ge=1, le=MOST)]
    seed: Annotated[int, Field(ge=0, lt=2**62)] = 0
    communities: list[Identifier] = []
    table: Table | None = None
    attributes: Annotated[dict[Identifier, AttributeLaw], Field(min_length=1)]
    traits: dict[TraitName, TraitLaw] = {}
    correlations: list[Correlation] = []
    _census: Census | None = PrivateAttr(None)  # what the table holds, once it was read

    @property
    def census(self) -> Census:
        """What the table holds. ValueError if it was not read (see `personas.load.load_population`)."""
        if self._census is None:
            raise ValueError(f"the table of the population {self.name!r} was not read")
        return self._census

    def with_census(self, census: Census) -> "PopulationFile":
        read = self.model_copy()
        read._census = census
        return read

    def table_laws(self) -> dict[str, "FromTable | TraitFromTable"]:
        """The attributes and traits that the table holds."""
        laws = [*self.attributes.items(), *self.traits.items()]
        return {name: law for name, law in laws if isinstance(law, FromTable | TraitFromTable)}


def is_public(name: str, mark: bool | None) -> bool:
    return name in PUBLIC_BY_DEFAULT if mark is None else mark
