"""The names of the laws, and the keys that may stand where in a file: what a misspelt one is compared with."""

from personas.schema import (
    Attribute,
    Beta,
    Choice,
    Coin,
    Constant,
    Correlation,
    FromTable,
    Gb2,
    Integer,
    Logistic,
    Lognormal,
    Normal,
    PersonaFile,
    Strict,
    Table,
    TraitConstant,
    TraitFromTable,
    TraitNormal,
    TraitUniform,
    Uniform,
)

ATTRIBUTE_LAWS: dict[str, type[Strict]] = {
    "gb2": Gb2,
    "normal": Normal,
    "lognormal": Lognormal,
    "uniform": Uniform,
    "integer": Integer,
    "choice": Choice,
    "constant": Constant,
    "table": FromTable,
}
TRAIT_LAWS: dict[str, type[Strict]] = {
    "logistic": Logistic,
    "normal": TraitNormal,
    "uniform": TraitUniform,
    "constant": TraitConstant,
    "beta": Beta,
    "coin": Coin,
    "table": TraitFromTable,
}


def allowed_keys(kind: type[Strict], parents: tuple[int | str, ...]) -> tuple[str, ...]:
    """The keys of the mapping at `parents`, the pydantic location of an unknown key without the key itself."""
    if not parents:
        return tuple(kind.model_fields)
    if kind is PersonaFile:
        return tuple(Attribute.model_fields)
    if parents[0] == "table":
        return tuple(Table.model_fields)
    if parents[0] == "correlations":
        return tuple(Correlation.model_fields)
    laws = ATTRIBUTE_LAWS if parents[0] == "attributes" else TRAIT_LAWS
    return tuple(laws[str(parents[-1])].model_fields)
