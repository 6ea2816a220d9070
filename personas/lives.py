"""Names, trades and one-sentence biographies of sampled people, each a function of a few uniform draws.

Held-out words: every fifth entry of each list (names, trades, towns, households, pastimes, sentences) belongs to the
held-out part. Training data may use only the other four fifths, so that a reader of persona words can be tested on
people whose words it never met.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from personas.names import FIRST_NAMES, LAST_NAMES, listed
from personas.trades import BANDS

Words = Literal["train", "held_out", "all"]
DRAWS_PER_LIFE = 8
T = TypeVar("T")

TOWNS = listed(
    """Ashford Bellmere Carrow Dunmore Eastwick Fairhaven Glenrock Harwell Ironbridge Juniper Kingsley Lakewood
    Millbrook Northgate Oakridge Pinefield Quarry Riverton Stonehill Thornbury Underwood Valleyford Westbrook Yarrow
    Amberley Birchwood Clearwater Driftwood Elmstead Foxglove Greyport Hollyoak Inverlea Kelby Larkspur Meadowbank
    Newhaven Overton Port Redcliff"""
)

HOUSEHOLDS: tuple[tuple[str, int, int], ...] = (  # how one lives, from which age to which
    ("alone", 18, 120),
    ("with your partner", 20, 120),
    ("with your partner and two children", 27, 58),
    ("with your parents", 18, 34),
    ("with your mother", 18, 60),
    ("with your partner and a small child", 22, 46),
    ("with two friends", 18, 50),
    ("with your grown daughter", 42, 120),
    ("with your partner and an old dog", 22, 120),
    ("with your brother", 18, 120),
    ("as a single parent of one child", 22, 55),
    ("with your partner and three children", 28, 58),
    ("with a cat", 18, 120),
    ("with your wife and her father", 30, 70),
    ("in a shared house", 18, 45),
    ("with your grandchildren", 52, 120),
    ("with your husband", 21, 120),
    ("with your wife", 21, 120),
    ("with your sister and her sons", 24, 75),
    ("with a lodger", 30, 120),
)

PASTIMES = listed(
    """sing in a choir, play chess, grow vegetables, run by the river, repair old bicycles, read novels,
    cook for friends, watch birds, coach a football team, paint, play the accordion, walk in the hills, knit,
    volunteer at the food bank, collect records, swim every morning, keep bees, study history, play cards, dance tango,
    go fishing, write poems, build model trains, pray at the mosque, bake bread, follow the cricket, learn Spanish,
    play in a band, look at the stars, restore furniture, ride horses, help at the church, play table tennis, sew,
    climb, make pottery, watch old films, train for marathons, look after a garden, tell stories at the library,
    practise yoga, sail, play video games, carve wood, send letters to cousins""",
    ",",
)

SENTENCES = (  # the town, the household and the pastime, in different orders
    "You live in {town} {household} and like to {pastime}.",
    "In your free time you {pastime}, and you live in {town} {household}.",
    "Your home is in {town}, where you live {household} and {pastime}.",
    "You {pastime} whenever you can, and live {household} in {town}.",
    "You live {household} in {town}, and on Sundays you {pastime}.",
    "You were born in {town}, live there {household}, and {pastime}.",
    "After work you {pastime}; you live {household} in {town}.",
    "You moved to {town} years ago, live {household}, and {pastime}.",
    "Living {household} in {town}, you still find time to {pastime}.",
    "People in {town} know that you {pastime}; you live {household}.",
)


@dataclass(frozen=True)
class Life:
    """The words of one sampled person. `attributes` are the declared ones and those that were made up here."""

    name: str
    attributes: dict[str, float | str]
    biography: str


def part(entries: Sequence[T], words: Words) -> list[T]:
    """The entries of a list that belong to a part: every fifth is held out."""
    if words == "all":
        return list(entries)
    return [entry for i, entry in enumerate(entries) if (i % 5 == 4) == (words == "held_out")]


def trade_at(wage: float, u_band: float, u_trade: float, words: Words) -> str:
    """A trade for a wage in dollars an hour; one time in four that of a neighbouring band."""
    band = next(i for i, band in enumerate(BANDS) if wage <= band.up_to)
    band += (u_band > 0.875) - (u_band < 0.125)
    return _pick(part(BANDS[min(max(band, 0), len(BANDS) - 1)].trades, words), u_trade)


def life(u: Sequence[float], declared: dict[str, float | str], words: Words) -> Life:
    """A life from `DRAWS_PER_LIFE` uniform draws; what the population file declared is kept."""
    age, wage = max(float(declared.get("age", 40.0)), 18.0), declared.get("wage", 25.0)
    households = [h for h, low, high in part(HOUSEHOLDS, words) if low <= age < high + 1]
    made: dict[str, float | str] = {
        "occupation": trade_at(float(wage), u[2], u[3], words),
        "town": _pick(part(TOWNS, words), u[4]),
        "household": _pick(households, u[5]),
        "pastime": _pick(part(PASTIMES, words), u[6]),
    }
    facts = {**declared, **{name: value for name, value in made.items() if name not in declared}}
    sentence = re.sub(r"\{(\w+)\}", lambda place: str(facts[place[1]]), _pick(part(SENTENCES, words), u[7]))
    name = f"{_pick(part(FIRST_NAMES, words), u[0])} {_pick(part(LAST_NAMES, words), u[1])}"
    return Life(name, facts, sentence)


def life_words(words: Words = "all") -> str:
    """All entries of a part in one text, from which a tokenizer can collect its vocabulary."""
    lists = [FIRST_NAMES, LAST_NAMES, *(band.trades for band in BANDS), TOWNS, PASTIMES, SENTENCES]
    lists.append(tuple(household for household, _, _ in HOUSEHOLDS))
    return " ".join(entry for entries in lists for entry in part(entries, words))


def _pick(entries: Sequence[str], u: float) -> str:
    return entries[min(int(u * len(entries)), len(entries) - 1)]
