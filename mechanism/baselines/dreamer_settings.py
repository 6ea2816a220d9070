"""All that can be set in the baseline `mechanism.baselines.dreamer`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DreamerSettings:
    """DreamerV3's numbers (Hafner et al. 2023, arXiv 2301.04104) where they are coefficients; sizes and rates are ours,
    since an episode here is a handful of steps and there are hundreds of them, not millions of frames.
    """

    batch_episodes: int = 20  # real episodes between two rounds of training, the first of them under random options
    train_ratio: float = 16.0  # replayed steps per real step
    replay_episodes: int = 5_000  # the newest that are kept: 60 kB each in a town of 32
    batch: int = 8  # episodes in a replayed batch
    imagined: int = 4  # episodes of that batch from whose every state imagination starts, and as many fresh rosters
    horizon: int = 15  # imagined steps at most

    deter: int = 64  # H, units of an agent's deterministic state
    categoricals: int = 8  # C, of an agent's stochastic state
    classes: int = 8  # L, of each categorical
    hidden: int = 64  # units of every hidden layer
    unimix: float = 0.01  # share of the uniform distribution in every categorical

    dynamics: float = 0.5  # weight of KL(sg(posterior), prior)
    representation: float = 0.1  # weight of KL(posterior, sg(prior))
    free_bits: float = 1.0  # nats of the whole town's latents in a step that cost nothing
    reward_weight: float = 1.0  # of the reward head's loss, beside the mean loss of an agent
    model_rate: float = 2e-3  # Adam's learning rate of the world model
    model_clip: float = 10.0  # greatest gradient norm of the world model

    bins: int = 61  # of the two-hot heads
    limit: float = 3.0  # symlog of the greatest number they can tell; 3 = 19 units of welfare

    discount: float = 1.0  # per step: episodes are short and end
    lam: float = 0.95  # of the lambda-returns
    entropy: float = 3e-3  # weight of the actor's entropy (nats), beside normalised returns
    return_floor: float = 0.1  # least range that returns are divided by (units of welfare)
    return_decay: float = 0.99  # of the running range of returns, per update
    slow_decay: float = 0.98  # of the slow critic's weights, per update
    actor_rate: float = 2e-3  # Adam's learning rate of the actor
    critic_rate: float = 2e-3  # Adam's learning rate of the critic
    actor_clip: float = 1.0  # greatest gradient norm of actor and critic
