"""MBPO: rollouts begin where real episodes were, are settled by the public rules, and teach the policy something."""

from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor

from agents.scripted import ScriptedPopulation
from learning.draws import draws
from learning.ppo import PPOSettings
from mechanism.baselines.mbpo import MBPOSettings, mbpo, rollout_length
from mechanism.baselines.mbpo_model import AnswerFit, Answers, fit_answers, questions
from mechanism.baselines.mbpo_rollouts import Branch, Imagination, for_ppo, picked, replay
from mechanism.baselines.ppo import new_policy, new_recurrent_policy
from mechanism.explore import RandomRules
from mechanism.improve import ImproveSettings
from mechanism.policy import Learned
from personas.rosters import open_rosters
from societies.base import Episode, Principal
from societies.facilities import Facilities, Tastes
from societies.stage import Stage
from tests.towns import POPULATIONS, Asking
from tests.world_model.island import stage as island_stage
from world_model.fit import quiet

SMALL = Facilities("small", 6, 4, Tastes((2.0, 3.0), (3.0, 1.5), (0.0, 4.0), (0.0, 3.0)), "visits", sites=3)
F, D = len(SMALL.feature_names), len(SMALL.prospect_names)
X = F + 3 * D + 1  # channels of an agent
ROSTERS = open_rosters(POPULATIONS / "visitors.yaml", SMALL.agents, attributes=SMALL.attributes_used)
STAGE = Stage(SMALL, ScriptedPopulation(False), ROSTERS, 1)
TINY = MBPOSettings(
    worlds=4, members=2, hidden=8, fit=AnswerFit(steps=3, batch=16), updates=2, branches=4, ppo=PPOSettings(epochs=1)
)


def lived(learned: Learned, worlds: int = 6) -> tuple[Episode, list[Tensor]]:
    """Real episodes of the exploring policy, and what it observed at every step."""
    explorer = replace(learned, explore=draws(1, 0, worlds), taken=[])
    with torch.no_grad():
        return STAGE.play(explorer, 0, worlds), [taken.observation for taken in explorer.taken]


def imagination(learned: Learned, members: int = 2, soft: bool = False) -> Imagination:
    model = Answers(members, D, X, 8, torch.Generator().manual_seed(0)).requires_grad_(False)
    return Imagination(learned, model, soft)


def branched(learned: Learned, step: int, steps: int, soft: bool = False) -> Branch:
    place = replay(learned, lived(learned)[0], step)
    with torch.no_grad():
        return imagination(learned, soft=soft).branch(place, steps, draws(5, 0, 6))


@pytest.mark.parametrize("new", [new_policy, new_recurrent_policy])
def test_a_replayed_memory_is_that_of_the_player(new: type):
    learned: Learned = new(STAGE, 0)
    episode, observed = lived(learned)
    for step in range(SMALL.steps):
        place = replay(learned, episode, step)
        assert torch.equal(place.seen.features, episode.features[:, step])
        assert torch.equal(learned.watch(place.memory, place.seen)[1], observed[step])


def test_a_rollout_begins_with_the_real_state_and_memory_of_its_own_episode():
    learned = new_policy(STAGE, 0)
    episode, observed = lived(learned)
    rows = torch.tensor([3, 3, 0, 5])
    place = replay(learned, picked(episode, rows), 1)
    with torch.no_grad():
        made = imagination(learned).branch(place, 1, draws(5, 0, 4))
    assert torch.equal(made.observation[0], observed[1][rows])


def test_states_and_rewards_follow_by_the_public_accounting():
    made = branched(new_policy(STAGE, 0), 0, SMALL.steps)
    assert len(made.reward) == SMALL.steps
    for now, then, mechanism, reward in zip(
        made.observation, made.observation[1:], made.action, made.reward, strict=False
    ):
        response = then[..., F - SMALL.sites - 1 : F]  # who went where, as the next state shows it
        assert torch.equal(response.sum(-1), torch.ones(6, 6))
        settled = SMALL.settle(now[..., :F], mechanism, response)
        assert torch.equal(settled.features, then[..., :F])
        torch.testing.assert_close(reward, SMALL.public_welfare(settled.accounts))


def test_what_is_imagined_enters_the_memory():
    made = branched(new_policy(STAGE, 0), 1, 2)
    offered, chosen = (made.observation[..., F + D * i : F + D * (i + 1)] for i in (1, 2))
    gone = made.observation[1, ..., F - SMALL.sites : F].sum(-1)  # [B, N]
    blocks = slice(0, SMALL.farthest + 1)
    assert torch.equal((offered[1] - offered[0])[..., blocks].sum(-1), torch.full((6, 6), 2.0))  # two stand by then
    assert torch.equal((chosen[1] - chosen[0])[..., blocks].sum(-1), gone)


def test_replies_are_as_whole_as_those_of_the_real_people():
    made = branched(new_policy(STAGE, 0), 0, 2, soft=True)
    chosen = made.observation[1, ..., F + 2 * D : F + 3 * D]
    assert bool(((chosen[..., : SMALL.farthest + 1].sum(-1) % 1) > 0).all())  # the chance of going


def test_every_world_has_one_member_of_its_own():
    """Member 0 says that everybody goes, member 1 that all stay at home: only facilities have a distance."""
    learned = new_policy(STAGE, 0)
    there = imagination(learned)
    for part in there.model.parameters():
        part.zero_()
    there.model.of_choice.weight[:, : SMALL.farthest + 1, 0] = 5.0
    there.model.second.weight[:, 0, 0] = 5.0
    there.model.out.weight[:, 0, 0] = torch.tensor([5.0, -5.0])
    with torch.no_grad():
        made = there.branch(replay(learned, lived(learned)[0], 0), 3, draws(5, 0, 6))
    assert torch.equal(made.reward, torch.tensor([1.0, 0.0]).repeat(3).expand(3, -1))


def test_a_cut_rollout_ends_in_the_value_of_what_follows():
    """GAE by hand: A_1 = r_1 + V_2 - V_1 and A_0 = r_0 + V_1 - V_0 + .95 A_1, with V_2 of the state it was cut at."""
    learned = new_policy(STAGE, 0)
    cut, whole = branched(learned, 0, 2), branched(learned, 0, 3)
    with torch.no_grad():
        batch = for_ppo(learned, cut, (0.4, 0.1), ImproveSettings())
        v = [learned.policy.value(x) for x in whole.observation]  # the same rollout, one step longer
    assert torch.equal(cut.beyond, v[2])
    assert bool((cut.beyond != 0).all())
    r = (cut.reward - 0.4) / 0.1
    last = r[1] + v[2] - v[1]
    first = r[0] + v[1] - v[0] + 0.95 * last
    torch.testing.assert_close(batch.advantage, torch.cat([first, last]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(batch.returns, torch.cat([first + v[0], last + v[1]]), rtol=1e-4, atol=1e-5)


def test_nothing_follows_the_end_of_an_episode():
    made = branched(new_policy(STAGE, 0), 1, 5)
    assert len(made.reward) == SMALL.steps - 1
    assert not made.beyond.any()


def test_neither_the_order_of_agents_nor_that_of_choices_matters_to_the_model():
    data = questions(SMALL, lived(new_policy(STAGE, 0))[0])
    model = imagination(new_policy(STAGE, 0), members=1).model
    asked = [x[None, :, 2] for x in (data.prospects, data.known, data.open)]
    agents, choices = torch.tensor([3, 1, 5, 0, 2, 4]), torch.tensor([2, 0, 3, 1])
    told = model(*asked)
    torch.testing.assert_close(model(*[x[:, :, agents] for x in asked]), told[:, :, agents])
    turned = model(asked[0][..., choices, :], asked[1], asked[2][..., choices])
    torch.testing.assert_close(turned, told[..., choices])


def test_the_model_learns_what_people_like_and_never_expects_what_is_shut():
    with torch.no_grad():
        data = questions(SMALL, STAGE.play(RandomRules(SMALL, draws(1, 0, 60)), 0, 60))
    generator = torch.Generator().manual_seed(0)
    model = Answers(2, D, X, 16, generator)
    model.read(data)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    before = fit_answers(model, optimizer, data, AnswerFit(steps=1, batch=2000), generator)
    fit_answers(model, optimizer, data, AnswerFit(steps=150, batch=200), generator)
    after = fit_answers(model, optimizer, data, AnswerFit(steps=1, batch=2000), generator)
    assert after < before - 0.3
    with torch.no_grad():
        log_p = model(*[x[None, :, 0].expand(2, *x[:, 0].shape) for x in (data.prospects, data.known, data.open)])
    assert not log_p.exp()[..., 2:].any()  # only the first facility stands by then


@dataclass(frozen=True)
class Counting(Stage):
    """Notes which real episodes were played."""

    played: list[range] = field(default_factory=list[range])

    def play(self, principal: Principal, start: int, worlds: int) -> Episode:
        self.played.append(range(start, start + worlds))
        return super().play(principal, start, worlds)


def test_every_real_episode_is_played_once_and_told_of():
    stage, told = Counting(SMALL, ScriptedPopulation(False), ROSTERS, 1), list[int]()
    mbpo(stage, new_policy(stage, 0), TINY, 15, 0, quiet, told.append)
    assert [i for batch in stage.played for i in batch] == list(range(12))  # no more than whole batches
    assert told == [4, 8, 12]


def test_rollouts_from_the_first_step_begin_in_towns_that_were_never_lived_in():
    stage = Asking(SMALL, ScriptedPopulation(False), ROSTERS, 1)
    mbpo(stage, new_policy(stage, 0), TINY, 8, 0, quiet)
    begun, real = torch.cat(stage.begun), STAGE.census(0, 8)
    assert len(begun) == 2 * TINY.updates * TINY.branches
    assert len(begun.unique(dim=0)) == len(begun)
    assert not (begun[:, None] == real).flatten(2).all(-1).any()


def test_a_seed_says_how_it_ends_and_the_global_random_state_is_left_alone():
    before, ends = torch.get_rng_state(), list[Tensor]()
    for seed in (0, 0, 1):
        learned = new_policy(STAGE, 0)
        mbpo(STAGE, learned, TINY, 8, seed, quiet)
        ends.append(torch.cat([p.detach().flatten() for p in learned.policy.parameters()]))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_it_learns_where_people_live_from_few_episodes():
    settings = MBPOSettings(worlds=15, branches=20, updates=6, fit=AnswerFit(steps=60, batch=128))
    learned = new_policy(STAGE, 0)
    with torch.no_grad():
        before = float(STAGE.play(learned, 10**6, 300).returns().mean())
    mbpo(STAGE, learned, settings, 45, 0, quiet)
    with torch.no_grad():
        after = float(STAGE.play(learned, 10**6, 300).returns().mean())
    assert after > before + 0.05


def test_rollouts_grow_with_what_is_known():
    settings = MBPOSettings(shortest=1, longest=5, grows=(20, 100))
    assert [rollout_length(settings, n) for n in (0, 20, 40, 60, 99, 100, 900)] == [1, 1, 2, 3, 4, 5, 5]
    assert rollout_length(MBPOSettings(shortest=3, longest=3, grows=(0, 0)), 0) == 3


def test_what_it_cannot_learn_from_is_refused():
    island = island_stage("quadratic")
    with pytest.raises(ValueError, match="the rules of island are 1 numbers, not one of some options"):
        mbpo(island, new_policy(island, 0), TINY, 8, 0, quiet)
    with pytest.raises(ValueError, match="small: MBPO's model reads what its policy sees"):
        mbpo(STAGE, new_recurrent_policy(STAGE, 0), TINY, 8, 0, quiet)
    with pytest.raises(ValueError, match="small: 3 rollouts cannot be shared out among 2 networks"):
        mbpo(STAGE, new_policy(STAGE, 0), replace(TINY, branches=3), 8, 0, quiet)
    with pytest.raises(ValueError, match="small: 3 episodes are too few for one batch of 4"):
        mbpo(STAGE, new_policy(STAGE, 0), TINY, 3, 0, quiet)
