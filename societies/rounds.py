"""What the people of a society are asked in one step."""

from functools import cache

from torch import Tensor

from agents.base import Message, Round, Went
from learning.draws import Draws
from societies.base import Felt, Restful, Society, State, Tabular, Talkative
from societies.talk import heard_of


def round_of(society: Society, state: State, mechanism: Tensor, said: tuple[Message, ...], draws: Draws) -> Round:
    """The round of everyone in `state` under `mechanism` [B, M]. said: what was said in the step before."""

    @cache
    def views() -> Tensor:
        return society.look(state, mechanism)

    talk = heard_of(said, society, state, draws) if isinstance(society, Talkative) else None
    return Round(
        state.step,
        views,
        society.choices(state.step, state.features, mechanism),
        state.people,
        lambda world, agent: society.tell(views()[world, agent], state.people.persona(world, agent)),
        lambda: society.teacher(state, mechanism),
        Went(society.outcome, lambda: society.went(views())) if isinstance(society, Felt) else None,
        talk,
        society.idle if isinstance(society, Restful) else None,
        (lambda: society.situation(views())) if isinstance(society, Tabular) else None,
    )
