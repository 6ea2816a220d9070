"""16 people in groups that play a game given by its payoffs, with rewards for choices. See `societies.matrix`."""

from societies.games import Nested, table_of
from societies.matrix import OBJECTIVES, MatrixGame

PEOPLE = 16


def society(objective: str = OBJECTIVES[0], payoffs: str | Nested = "prisoners_dilemma") -> MatrixGame:
    """The door the catalog uses. A few people less where 16 make no equal groups."""
    return MatrixGame("matrix_game", PEOPLE - PEOPLE % len(table_of(payoffs)), payoffs, objective)
