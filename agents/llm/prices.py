"""What a model's tokens cost: a table that its user keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from personas.yaml_tree import UnreadableError, parse_tree

Money = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class Price(BaseModel):
    """Of one model, for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    input: Money
    output: Money

    def of(self, tokens_in: float, tokens_out: float) -> float:
        """Money."""
        return (tokens_in * self.input + tokens_out * self.output) / 1e6


class Prices(BaseModel):
    """The table: models as a config names them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    models: dict[str, Price]


Tokens = Mapping[str, tuple[float, float]]
"""Of each model, as the journal names it: in and out"""


@dataclass(frozen=True)
class Bill:
    """The prices of a run's models, in a currency."""

    prices: Mapping[str, Price]
    currency: str

    def of(self, tokens: Tokens) -> float:
        """The money for so many tokens. KeyError: a model without a price."""
        return sum(self.prices[model].of(*both) for model, both in tokens.items())

    def told(self, tokens: Tokens) -> str:
        """The same, as it is read: "1.25 USD"."""
        return self.written(self.of(tokens))

    def written(self, money: float) -> str:
        """An amount, to the cent where it is not less than one."""
        return f"{money:,.2f} {self.currency}" if money >= 0.01 or money == 0 else f"{money:.2g} {self.currency}"


def read_prices(text: str, name: str) -> Prices:
    """The table in a YAML text. ValueError naming `name`, the line and what is wrong."""
    try:
        tree = parse_tree(text)
    except UnreadableError as error:
        raise ValueError(f"{name}:{error.line or 1}: {error}") from None
    try:
        return Prices.model_validate(tree.data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = tuple(first["loc"])
        raise ValueError(
            f"{name}:{tree.line_of(place)}: {'.'.join(map(str, place)) or 'the table'}: {first['msg']}\n"
            "  fix: write it like\n    currency: USD\n    models:\n      openai:NAME: {input: 0.15, output: 0.60}  "
            "# money for a million tokens"
        ) from None


def bill_for(models: Mapping[str, str], file: Path) -> Bill:
    """What models cost by the table in a file: their names in the journal -> in the table. ValueError: the file cannot
    be read, or lacks one of them.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the prices in {file} cannot be read: {error}") from None
    table = read_prices(text, str(file))
    if lacking := [name for name in models.values() if name not in table.models]:
        known = ", ".join(list(table.models)[:10]) or "none"
        raise ValueError(f"{file} has no price for {lacking[0]}; it has: {known}. Add it, or take budget.prices out")
    return Bill({model: table.models[name] for model, name in models.items()}, table.currency)
