"""Four agents with hidden roles gather, craft and store in teams that the principal forms.

What can be seen of it is in `societies.teams`, what hidden roles do in `societies.team_roles`. In each of 50 steps
every agent moves one cell up, down, left or right, or stays; the rest follows. The principal chooses one of the 15
partitions before steps 5, 15, 25, 35 and 45; where it chooses none, that in force stays. The welfare of a step is what
was earned in it less the cost of company.

Seats 1 to 4 are public: who came first has seat 1. They say where an agent starts, which teams it is in under an
option, and whose turn comes first. Roles go with the hidden trait `strength`: under `permuted` roles whoever of the
four is made for the lightest work has the first role, and so on, so that every role is there once; under `independent`
ones each fourth of the scale is a role, whatever the others are.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from agents.base import Question
from personas.people import People, Persona
from personas.words import render
from societies.base import Options, Settled, State, Transition
from societies.refusals import check_step, column, known_name
from societies.team_features import (
    NAMES,
    PERSONAL,
    WORTH,
    by_roster,
    by_seat,
    features_of,
    groups,
    positions_of,
    ranks,
    seats_of,
    state_of,
)
from societies.team_roles import Duties, duties, happen, scripted
from societies.team_words import RULES, news, view
from societies.teams import (
    AGENTS,
    BASICS,
    CORNERS,
    DECISIONS,
    FAR,
    LABELS,
    MOVES,
    STAY,
    STEPS,
    STRIDES,
    Events,
    TeamState,
    partition_name,
    settle,
    start,
)

OBJECTIVES = ("earnings",)
ROLES = ("permuted", "independent")


class TeamFormation:
    """See the module. ValueError for an objective or a kind of roles that is not known."""

    steps, agents = STEPS, AGENTS
    personal: tuple[str, ...] = PERSONAL
    own: tuple[str, ...] = ("row", "column", "earnings")
    feature_names: tuple[str, ...] = NAMES
    prospect_names: tuple[str, ...] = (*(f"distance_{k + 1}" for k in range(BASICS)), "stays")
    choice_names: tuple[str, ...] = MOVES
    attributes_used: tuple[str, ...] = ("arrival",)
    traits_used: tuple[str, ...] = ("strength",)
    welfare_is_public = True
    response_is_choice = False
    idle = STAY
    answer = "share of steps in which one walks"
    price, prices = "", (0.0, 0.0)  # teams are not more or less of one thing
    lot = "worth of what one made so far"
    takes_home = ""  # what a move brings hangs on hidden roles

    def __init__(self, name: str = "team_formation", objective: str = OBJECTIVES[0], roles: str = ROLES[0]) -> None:
        known_name(name, "objective", objective, OBJECTIVES)
        known_name(name, "kind of roles", roles, ROLES)
        self.name, self.objective, self.roles = name, objective, roles
        self.mechanism = Options(tuple(partition_name(m) for m in range(len(LABELS))), groups)

    def counts(self, step: int) -> bool:
        return True

    def decides(self, step: int, features: Tensor) -> Tensor:
        """Any partition, at five steps."""
        return features.new_full((len(features), len(LABELS)), step in DECISIONS, dtype=torch.bool)

    def default_mechanism(self) -> Tensor:
        """The teams stay as they are."""
        return torch.zeros(len(LABELS))

    def census(self, public: Tensor, attribute_names: tuple[str, ...]) -> Tensor:
        """Seats by arrival; everyone alone and at the start. ValueError where there are not four."""
        if public.shape[1] != AGENTS:
            raise ValueError(f"{self.name}: {public.shape[1]} agents; there must be {AGENTS}")
        arrival = public[..., column(self.name, "arrival", attribute_names)]
        seat = torch.eye(AGENTS, device=public.device)[ranks(arrival)]  # [B, N, 4]
        return features_of(start(len(public), public.device), seat)

    def reset(self, people: People) -> State:
        return State(0, self.census(people.public, people.attribute_names), people)

    def choices(self, step: int, features: Tensor, mechanism: Tensor) -> Tensor:
        """Every move; into a wall it leads nowhere."""
        return features.new_ones(*features.shape[:2], len(MOVES), dtype=torch.bool)

    def look(self, state: State, mechanism: Tensor) -> Tensor:
        """[B, N, 19] whole numbers: round, own seat, row and column; the good it gathers, the one it keeps, the one
        that its team wants of it; units left in each corner; units of each good that its team holds; teammates' seats.
        Negative = nothing to tell.
        """
        return by_roster(view(state.step, *self._at_work(state, mechanism)), seats_of(state.features))

    def tell(self, view: Tensor, persona: Persona) -> Question:
        return Question(f"{RULES}\n{render(persona)}", news(view), "move", self.choice_names)

    def prospects(self, features: Tensor, mechanism: Tensor) -> Tensor:
        """[B, N, 5, 5]: how far each move leaves every corner, in half grids; is it to stay?"""
        position = positions_of(features)  # [B, N, 2]
        there = (position[:, :, None] + STRIDES.to(features.device)).clamp(0, FAR)  # [B, N, 5, 2]
        far = (there[..., None, :] - CORNERS.to(features.device)).abs().sum(-1) / FAR  # [B, N, 5, 4]
        stays = torch.eye(len(MOVES), device=features.device)[STAY].expand_as(far[..., 0])
        return torch.cat([far, stays[..., None]], -1)

    def teacher(self, state: State, mechanism: Tensor) -> Tensor:
        """Who is useful to its team means to go to its corner; one move in ten is any of the five."""
        return by_roster(scripted(*self._at_work(state, mechanism)), seats_of(state.features))

    def respond(self, action: Tensor) -> Tensor:
        """[B, N, 11] the moves; what is taken, crafted and stored does not follow from them alone."""
        move = torch.nn.functional.one_hot(torch.where(action < 0, STAY, action), len(MOVES)).float()
        nothing = torch.zeros_like(move[..., :1])
        return Events(move, nothing[..., 0], nothing[..., 0], nothing.expand(*move.shape[:2], BASICS)).packed()

    def settle(self, features: Tensor, mechanism: Tensor, response: Tensor) -> Settled:
        """Everyone's place and hands, the corners and the accounts, from what was seen: [B, N, 11]."""
        seats = seats_of(features)
        events = Events.of(by_seat(response, seats))
        after, earned, upkeep = settle(state_of(features).under(mechanism), events)
        accounts = {"earned": earned.sum(-1), "upkeep": upkeep.sum(-1)}
        return Settled(features_of(after, seats), accounts)

    def public_welfare(self, accounts: Mapping[str, Tensor]) -> Tensor:
        return accounts["earned"] - accounts["upkeep"]

    def step(self, state: State, mechanism: Tensor, action: Tensor) -> Transition:
        check_step(self, state, mechanism, action)
        (teams, duty), seats = self._at_work(state, mechanism), seats_of(state.features)
        moves = by_seat(torch.where(action < 0, STAY, action), seats)
        events = happen(state.step, teams, duty, moves)
        _, earned, upkeep = settle(teams, events)
        response = by_roster(events.packed(), seats)
        settled = self.settle(state.features, mechanism, response)
        after = State(state.step + 1, settled.features, state.people)
        payoff = by_roster(earned - upkeep, seats)
        return Transition(after, response, payoff, settled.accounts, self.public_welfare(settled.accounts))

    def amounts(self) -> Tensor:
        return (torch.arange(len(MOVES)) != STAY).float()

    def faced(self, features: Tensor, mechanism: Tensor) -> Tensor:
        return torch.full(features.shape[:2], torch.nan)

    def lot_of(self, features: Tensor) -> Tensor:
        return features[..., NAMES.index("earnings")] * WORTH

    def changes(self, features: Tensor, mechanism: Tensor) -> Tensor:
        return torch.full((*features.shape[:2], len(self.choice_names)), torch.nan)

    def roles_of(self, people: People) -> Tensor:
        """[B, N] int64: everyone's hidden role, in the order of the roster."""
        strength = people.trait("strength")
        if self.roles == "permuted":
            return ranks(strength)
        return (strength * BASICS).long().clamp(max=BASICS - 1)

    def _at_work(self, state: State, mechanism: Tensor) -> tuple[TeamState, Duties]:
        """The public state with the chosen teams in force and what roles come to in them, by seats."""
        teams = state_of(state.features).under(mechanism)
        roles = by_seat(self.roles_of(state.people), seats_of(state.features))
        return teams, duties(roles, teams.together)


def society(objective: str = OBJECTIVES[0]) -> TeamFormation:
    """The door the catalog uses."""
    return TeamFormation(objective=objective)
