"""Games given by a payoff table, played by whole groups: everyone of a group meets everyone of the others.

N people in n equal groups, one for each player of the table u [n, K_1, ..., K_n]; who came first is in group 1, who
came second in group 2, and so on in turn. In each round everyone chooses, and gets the mean over all combinations of
people of the other groups (a population game: Sandholm 2010; with one in each group it is the game itself). With s_g
the shares of group g that make each choice, somebody of group g who chooses k gets

    u_g(k, s_-g) + a_i v(k, s_-g) + reward_gk - levy

v is what those who are met get, on the mean, and a_i the trait `altruism`, 0 to 1. The principal sets the rewards, and
everyone pays the same levy for them, 1.25 times what is paid out on the mean: a quarter of it is lost on the way. So it
is best to pay what is needed, and no more. People reckon with shares that are usual (a third of the last round's, the
rest of what was usual before; at first all choices alike) and choose with probability proportional to exp(U / theta),
theta a tenth of the spread of the table. What everyone chose and got is public, who is altruistic is not. Objectives:
`points`, the mean of what the table gives, less what is lost; `least`, the same with the mean of the group that the
table gives least.
"""

import json
from collections.abc import Mapping

import torch
from gymnasium.spaces import Box
from torch import Tensor

from agents.base import Question
from personas.people import People, Persona
from personas.traits import natural
from personas.words import render
from societies.base import Settled, State, Transition
from societies.games import Nested, table_of
from societies.matrix_words import news, rules
from societies.quantal import quantal_response
from societies.refusals import check_step, column, count, known_name

OBJECTIVES = ("points", "least")
TEMPERATURE = 0.1  # in spreads of the table
NEWS = 1 / 3  # of what is usual: how much the last round counts
LOST = 0.25  # of what the rewards come to, beside them
CLEAR = (0.0, 66.0, 82.0)  # percent: how clearly a group prefers a choice, as people with a table see it
NEVER = -1e6  # utility of a choice that a group does not have, in spreads


class MatrixGame:
    """See the module. `payoffs`: the name of a game, or nested lists as `societies.games.table_of` reads them.

    ValueError for payoffs that are no table, numbers of people that do not make equal groups, or an unknown objective.
    """

    attributes_used: tuple[str, ...] = ("arrival",)
    traits_used: tuple[str, ...] = ("altruism",)
    prospect_names: tuple[str, ...] = ("points", "theirs", "reward")
    response_is_choice = True
    welfare_is_public = True
    outcome = "points, rewards and levy counted,"
    answer = "share that makes choice 1"
    price = "reward for choice 1 over the mean of the others, points"
    lot = "points above the least that there can be"
    takes_home = "points"
    steps = 8

    def __init__(self, name: str, agents: int, payoffs: str | Nested, objective: str = OBJECTIVES[0]) -> None:
        known_name(name, "objective", objective, OBJECTIVES)
        self.table = table_of(payoffs)  # [n, K_1, ..., K_n] points
        self.groups, self.size = len(self.table), max(self.table.shape[1:])  # n, K
        count(name, "people", agents, least=self.groups)
        self.name, self.agents, self.objective = name, agents, objective
        self._check_groups(agents)
        self.least, self.spread = float(self.table.min()), float(self.table.max() - self.table.min())  # points
        self.choice_names = tuple(str(k + 1) for k in range(self.size))
        self.personal = tuple(f"group_{g + 1}" for g in range(self.groups))
        self.own = (*self.personal, "played", "points", "reward")
        usual = (f"usual_{g + 1}_{k + 1}" for g in range(self.groups) for k in range(self.size))
        self.feature_names = (*self.personal, "played", "points", "reward", "levy", *usual)
        self.mechanism = Box(0.0, self.spread, (self.groups * self.size,))
        self._has = torch.arange(self.size) < torch.tensor(self.table.shape[1:])[:, None]  # [n, K] bool
        self._padded = self._with_room()

    def counts(self, step: int) -> bool:
        return True

    def decides(self, step: int, features: Tensor) -> Tensor:
        """The rewards of what a group can choose."""
        return self._has.to(features.device).flatten().expand(len(features), -1)

    def default_mechanism(self) -> Tensor:
        """No rewards."""
        return torch.zeros(self.groups * self.size)

    def census(self, public: Tensor, attribute_names: tuple[str, ...]) -> Tensor:
        """Groups by arrival; nobody has played. ValueError where people do not make equal groups."""
        self._check_groups(public.shape[1])
        arrival = public[..., column(self.name, "arrival", attribute_names)]
        group = torch.eye(self.groups, device=public.device)[arrival.argsort(-1).argsort(-1) % self.groups]
        has = self._has.to(public)
        usual = (has / has.sum(-1, keepdim=True)).flatten().expand(*arrival.shape, -1)
        return torch.cat([group, torch.zeros_like(usual[..., :4]), usual], -1)

    def reset(self, people: People) -> State:
        return State(0, self.census(people.public, people.attribute_names), people)

    def choices(self, step: int, features: Tensor, mechanism: Tensor) -> Tensor:
        return self._of_group(features, self._has.to(features.device).expand(len(features), -1, -1).float()) > 0.5

    def look(self, state: State, mechanism: Tensor) -> Tensor:
        """[B, N, 1 + n K + 4]: the group, today's rewards by choice, for each other group the usual percent by choice;
        points won or lost in the last round, reward, levy. Points are in hundredths. Negative = nothing
        to tell.
        """
        f, open_ = state.features, self.choices(state.step, state.features, mechanism)
        groups = f[..., : self.groups]
        reward = torch.where(open_, (100 * self._of_group(f, self._rewards(mechanism))).round(), -1.0)
        number = 1.0 + groups.argmax(-1, keepdim=True)
        played, points = f[..., [self.groups]] > 0, (100 * self._points(f)).round()[..., None]
        money = (100 * self.spread * f[..., self.groups + 2 : self.groups + 4]).round()
        won, lost = torch.where(points >= 0, points, -1.0), torch.where(points < 0, -points, -1.0)
        last = torch.where(played, torch.cat([won, lost, money], -1), -1.0)
        return torch.cat([number, reward, self._others_usual(f), last], -1)

    def tell(self, view: Tensor, persona: Persona) -> Question:
        told = rules(self.table, int(view[0]) - 1, self.steps, LOST)
        return Question(f"{told}\n{render(persona)}", news(view, self.groups), "choice", self.choice_names)

    def went(self, view: Tensor) -> Tensor:
        """[B, N] points of the last round, with the reward and less the levy; NaN in the first."""
        won, lost, reward, levy = view[..., -4:].unbind(-1)
        return torch.where(levy < 0, torch.nan, (torch.where(won < 0, -lost, won) + reward - levy) / 100)

    @property
    def situations(self) -> int:
        """S: a group; and for each other group what most of it usually choose, and how clearly."""
        return self.groups * (self.size * len(CLEAR)) ** (self.groups - 1)

    def situation(self, view: Tensor) -> Tensor:
        usual = view[..., 1 + self.size : -4].unflatten(-1, (self.groups - 1, self.size))  # percent
        share, most = usual.max(-1)  # [B, N, n - 1]
        clear = torch.bucketize(share, share.new_tensor(CLEAR)) - 1
        place = view[..., 0].long() - 1
        for other in (most * len(CLEAR) + clear).unbind(-1):
            place = place * self.size * len(CLEAR) + other
        return place

    def prospects(self, features: Tensor, mechanism: Tensor) -> Tensor:
        """[B, N, K, 3] if the others choose as usual: own points above the table's least, those of who is met, and the
        reward; all in spreads of the table.
        """
        mine, theirs = self._expected(features, self._usual(features)).unbind(-1)  # [B, N, K] each
        reward = self._of_group(features, self._rewards(mechanism))
        brought = torch.stack([mine - self.least, theirs - self.least, reward], -1) / self.spread
        return brought * self.choices(0, features, mechanism)[..., None]

    @property
    def prices(self) -> tuple[float, float]:
        return -self.spread, self.spread

    def amounts(self) -> Tensor:
        return torch.eye(self.size)[0]

    def faced(self, features: Tensor, mechanism: Tensor) -> Tensor:
        reward = self._of_group(features, self._rewards(mechanism))  # [B, N, K]
        others = self.choices(0, features, mechanism)[..., 1:].float()
        return reward[..., 0] - (reward[..., 1:] * others).sum(-1) / others.sum(-1)

    def lot_of(self, features: Tensor) -> Tensor:
        return self.spread * features[..., self.groups + 1]

    def changes(self, features: Tensor, mechanism: Tensor) -> Tensor:
        """In spreads of the table, rewards counted, if the others choose as usual; NaN before the first round."""
        points, _, reward = self.prospects(features, mechanism).unbind(-1)
        last = features[..., self.groups + 1] + features[..., self.groups + 2]
        return points + reward - torch.where(features[..., self.groups] > 0, last, torch.nan)[..., None]

    def utilities(self, state: State, mechanism: Tensor) -> Tensor:
        """[B, N, K] what each choice is worth to everyone, in points, if the others choose as usual."""
        mine, theirs, reward = self.prospects(state.features, mechanism).unbind(-1)
        altruism = natural("altruism", state.people.trait("altruism"))[..., None]
        shut = NEVER * ~self.choices(state.step, state.features, mechanism)
        return self.spread * (mine + altruism * theirs + reward + shut)

    def teacher(self, state: State, mechanism: Tensor) -> Tensor:
        return quantal_response(self.utilities(state, mechanism), TEMPERATURE * self.spread)

    def respond(self, action: Tensor) -> Tensor:
        """[B, N, K] 1 for the choice that was made."""
        return torch.nn.functional.one_hot(action.clamp_min(0), self.size).float() * (action >= 0)[..., None]

    def settle(self, features: Tensor, mechanism: Tensor, response: Tensor) -> Settled:
        groups = features[..., : self.groups]
        shares = groups.transpose(1, 2) @ response / groups.sum(1)[..., None]  # [B, n, K]
        points = (response * self._expected(features, shares)[..., 0]).sum(-1)  # [B, N]
        reward = (response * self._of_group(features, self._rewards(mechanism))).sum(-1)  # [B, N]
        levy = (1 + LOST) * reward.mean(1, keepdim=True).expand_as(reward)
        before = self._usual(features)
        usual = (before + NEWS * (shares - before)).flatten(1)[:, None].expand(-1, points.shape[1], -1)
        told = torch.stack([torch.ones_like(points), points - self.least, reward, levy], -1)
        told = told / told.new_tensor([1.0, self.spread, self.spread, self.spread])
        least = ((points[..., None] * groups).sum(1) / groups.sum(1)).amin(-1)  # [B]
        accounts = {"points": points.mean(1), "least": least, "rewards": reward.mean(1)}
        return Settled(torch.cat([groups, told, usual], -1), accounts)

    def public_welfare(self, accounts: Mapping[str, Tensor]) -> Tensor:
        return accounts[self.objective] - LOST * accounts["rewards"]

    def step(self, state: State, mechanism: Tensor, action: Tensor) -> Transition:
        check_step(self, state, mechanism, action)
        response = self.respond(action)
        settled = self.settle(state.features, mechanism, response)
        groups = state.features[..., : self.groups]
        shares = groups.transpose(1, 2) @ response / groups.sum(1)[..., None]
        brought = (response[..., None] * self._expected(state.features, shares)).sum(-2)  # [B, N, 2]
        money = self.spread * settled.features[..., self.groups + 2 : self.groups + 4]
        altruism = natural("altruism", state.people.trait("altruism"))
        payoff = brought[..., 0] + altruism * brought[..., 1] + money[..., 0] - money[..., 1]
        after = State(state.step + 1, settled.features, state.people)
        return Transition(after, response, payoff, settled.accounts, self.public_welfare(settled.accounts))

    def _check_groups(self, agents: int) -> None:
        if agents % self.groups:
            raise ValueError(
                f"{self.name}: {agents} people do not make {self.groups} equal groups; take a multiple of {self.groups}"
            )

    def _with_room(self) -> Tensor:
        """[n, K, ..., K] the table, with zeros where a group has fewer choices than another."""
        padded = torch.zeros(self.groups, *[self.size] * self.groups)
        padded[(slice(None), *(slice(k) for k in self.table.shape[1:]))] = self.table
        return padded

    def _rewards(self, mechanism: Tensor) -> Tensor:
        """[B, n, K] points"""
        return mechanism.unflatten(-1, (self.groups, self.size))

    def _points(self, features: Tensor) -> Tensor:
        """[B, N] of the last round"""
        return self.least + self.spread * features[..., self.groups + 1]

    def _usual(self, features: Tensor) -> Tensor:
        """[B, n, K] usual shares, which are the same for all."""
        return features[:, 0, self.groups + 4 :].unflatten(-1, (self.groups, self.size))

    def _others_usual(self, features: Tensor) -> Tensor:
        """[B, N, (n - 1) K] percent, by the other groups in their order; -1 for choices that they do not have."""
        percent = torch.where(self._has.to(features.device), (100 * self._usual(features)).round(), -1.0)
        others = [[o for o in range(self.groups) if o != g] for g in range(self.groups)]
        by_group = percent[:, torch.tensor(others)].flatten(-2)  # [B, n, (n - 1) K]
        return self._of_group(features, by_group)

    def _of_group(self, features: Tensor, values: Tensor) -> Tensor:
        """Values of groups [B, n, X] as those of their people [B, N, X]."""
        return features[..., : self.groups] @ values

    def _expected(self, features: Tensor, shares: Tensor) -> Tensor:
        """[B, N, K, 2] points that each choice brings against such shares [B, n, K]: to oneself, and on the mean to
        those who are met.
        """
        table, by_group = self._padded.to(shares.device), list[Tensor]()
        for g in range(self.groups):
            brought = self._against(table, shares, g)  # [B, n, K]
            theirs = (brought.sum(1) - brought[:, g]) / (self.groups - 1)
            by_group.append(torch.stack([brought[:, g], theirs], -1))
        return torch.einsum("bng,bgkd->bnkd", features[..., : self.groups], torch.stack(by_group, 1))

    def _against(self, table: Tensor, shares: Tensor, group: int) -> Tensor:
        """[B, n, K] what everyone gets for each choice of `group`, the other groups' choices being mixed by shares."""
        sides = "cdefgh"[: self.groups]
        others = [g for g in range(self.groups) if g != group]
        told = ",".join(f"b{sides[g]}" for g in others)
        return torch.einsum(f"p{sides},{told}->bp{sides[group]}", table, *(shares[:, g] for g in others))


def payoffs_of(society: object) -> str:
    """The payoffs of a game as nested lists, however its user wrote them; "" of all other societies."""
    return json.dumps(society.table.movedim(0, -1).tolist()) if isinstance(society, MatrixGame) else ""
