"""What a config may say, and how a mistake in it is answered."""

from pathlib import Path

import pytest

from experiments.config import Config, differences, dump_config, load_config
from experiments.errors import ROOT, UserError

PLAIN = """\
society:
  name: income_tax
population:
  people: personas/populations/communities.yaml
budget:
  calls: 5000
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plain.yaml"
    path.write_text(PLAIN)
    return path


def refusal(path: Path, *words: str) -> str:
    with pytest.raises(UserError) as caught:
        load_config(path, words)
    return str(caught.value)


def test_a_plain_file_gets_the_defaults_and_its_own_name(file: Path):
    config = load_config(file)
    assert (config.name, config.seed, config.budget.calls, config.budget.tokens) == ("plain", 0, 5000, None)
    assert config.population.way == "distribution"


def test_words_of_the_command_line_win_over_the_file(file: Path):
    config = load_config(file, ["seed=7", "budget.calls=9", "population.kind=scripted", "baselines=[us_federal]"])
    assert (config.seed, config.budget.calls, config.population.kind) == (7, 9, "scripted")
    assert config.baselines == ["us_federal"]
    assert config.population.people == "personas/populations/communities.yaml"  # its neighbours stay


def test_smoke_puts_the_files_own_small_section_over_it_and_words_over_both(file: Path):
    file.write_text(PLAIN + "evaluation: {communities: 24}\nsmoke:\n  evaluation: {communities: 2}\n  seed: 5\n")
    assert load_config(file).evaluation.communities == 24
    small = load_config(file, ["seed=6"], smoke=True)
    assert (small.name, small.evaluation.communities, small.seed) == ("plain-smoke", 2, 6)
    assert load_config(file, ["name=mine"], smoke=True).name == "mine-smoke"  # never the folder of the whole run


TRAINING = "smoke:\n  population: {rl: {iterations: 2, decisions: 500, alone: 1, lag: 1}}\n"


@pytest.mark.parametrize(
    ("words", "settings", "mixed_in"),
    [
        ([], {}, {}),
        (["population.mix.rl=0.25"], {}, {"iterations": 2, "decisions": 500}),
        (["population.mix.rl=0.25", "population.rl.iterations=3"], {}, {"iterations": 3, "decisions": 500}),
        (["population.mix.rl=0.25", "population.checkpoint=some.safetensors"], {}, {}),
        (["population.kind=rl"], {"iterations": 2, "decisions": 500}, {}),
        (["population.kind=rl", "population.mix.scripted=0.5"], {"iterations": 2, "decisions": 500}, {}),
        (
            ["population.kind=rl", "population.settings.learner=two_level"],
            {"learner": "two_level", "iterations": 2, "decisions": 500, "alone": 1, "lag": 1},
            {},
        ),
        (["population.kind=rl", "population.settings.learner=mirror_descent"], {"learner": "mirror_descent"}, {}),
    ],
)
def test_a_smoke_section_makes_the_training_of_whoever_is_trained_small(
    file: Path, words: list[str], settings: dict[str, object], mixed_in: dict[str, object]
):
    file.write_text(PLAIN + TRAINING)
    people = load_config(file, words, smoke=True).population
    assert (people.settings, people.rl) == (settings, mixed_in)
    assert people.people == "personas/populations/communities.yaml"
    assert load_config(file, [word for word in words if "rl.iter" not in word]).population.rl == {}


def test_a_smoke_training_that_nobody_knows_is_refused(file: Path):
    file.write_text(PLAIN + TRAINING.replace("alone", "allone"))
    with pytest.raises(UserError, match="'allone' is no setting of shared_ppo"):
        load_config(file, ["population.mix.rl=0.5"], smoke=True)


def test_a_run_may_be_continued_on_a_server_that_moved_but_not_with_another_model(file: Path):
    here, there, other = (
        load_config(file, [f"population.model=openai:{model}", f"population.base_url=http://{host}/v1"])
        for host, model in (("here", "one"), ("there", "one"), ("here", "two"))
    )
    assert differences(here, there) == []
    assert [told.partition(":")[0] for told in differences(here, other)] == ["population.model"]


def test_a_resolved_config_reads_back_to_itself(file: Path, tmp_path: Path):
    config = load_config(file, ["method.settings.penalty=0.001", "method.settings.fit.steps=5", "seed=3"])
    again = tmp_path / "again.yaml"
    again.write_text(dump_config(config))
    assert load_config(again) == config


def test_a_mistake_in_the_small_section_is_told_with_its_line(file: Path):
    file.write_text(PLAIN + "smoke:\n  evaluatoin: {communities: 2}\n")
    for smoke in (True, False):  # the section is read in any case
        with pytest.raises(UserError, match=rf"{file}:{len(PLAIN.splitlines()) + 2}: unknown key 'evaluatoin'"):
            load_config(file, smoke=smoke)


def test_a_setting_that_has_a_key_of_its_own_is_sent_there(file: Path):
    told = refusal(file, "population.settings.model=openai:x")
    assert "write population.model instead" in told


def test_a_baseline_is_named_once(file: Path):
    assert "saez: named more than once" in refusal(file, "baselines=[saez, us_federal, saez]")


@pytest.mark.parametrize("path", sorted((ROOT / "experiments/configs").glob("*.yaml")), ids=lambda p: p.name)
@pytest.mark.parametrize("smoke", [False, True])
def test_every_config_that_ships_is_sound(path: Path, smoke: bool):
    config = load_config(path, smoke=smoke)
    assert (ROOT / config.population.people).exists()


def test_an_unknown_key_is_told_with_file_line_and_the_likely_word(file: Path):
    file.write_text(PLAIN + "evaluation:\n  comunities: 3\n")
    message = refusal(file)
    assert f"{file}:8: unknown key 'evaluation.comunities' (did you mean 'communities'?)" in message


def test_an_unknown_word_is_told_as_a_word(file: Path):
    message = refusal(file, "populaton.model=x")
    assert "the command line, populaton.model=x: unknown key 'populaton' (did you mean 'population'?)" in message
    keys = "name, seed, society, population, budget, method, baselines, evaluation, compare, threads"
    assert f"allowed here: {keys}\n" in message


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("seed=-1", "greater than or equal to 0"),
        ("seed=1.5", "seed: found 1.5"),
        ("seed=yes", "seed: found 'yes'"),
        ("budget.calls=0", "budget.calls: found 0"),
        ("budget.calls=lots", "budget.calls: found 'lots'"),
        ("population.way=guess", "'distribution'"),
        ("population=3", "should be a section with the keys"),
        ("name=../elsewhere", "name: found '../elsewhere'"),
        ("seed", "'seed' is not key=value"),
        ("=3", "'=3' is not key=value"),
        ("seed=[", "cannot be read"),
        ("method.settings.rounds=0", "method.settings.rounds: found 0; it should be 1 to 1,000,000"),
        ("method.settings.fit.steps=-1", "method.settings.fit.steps: found -1; it should be 1 to"),
        ("method.settings.model.members=0", "model.members: found 0"),
        ("method.settings.first_episodes=100000000000", "first_episodes: found 100000000000"),
        ("method.settings.base_worlds=7", "make it a multiple of 5"),
        ("evaluation.communities=10000000000000", "less than or equal to 1000000"),
        ("threads=100000", "less than or equal to 256"),
        ("population.base_url=http://me:hunter2@host/v1", "population.base_url: it holds a login"),
        ("population.base_url=http://host/v1?api_key=hunter2", "looks like a secret"),
        ("population.base_url=http://host/v1?key=hunter2", "looks like a secret"),
        ("population.base_url=http://host/sk-hunter2hunter2hunter2/v1", "population.base_url: it holds a key"),
        ("population.settings.api_key=hunter2", "looks like a secret"),
        ("method.settings.fit.learning_rate=1000", "learning_rate: found 1000.0; it should be 0 to 1"),
        ("evaluation.communities=1", "greater than or equal to 2"),
        ("method.settings.improve.itterations=5", "(did you mean 'iterations'?)"),
        ("method.settings.fit=5", "should be a section with the keys"),
    ],
)
def test_bad_values_are_refused_with_the_place(file: Path, word: str, part: str):
    message = refusal(file, word)
    assert part in message
    assert "hunter2" not in message.replace(word, "")
    assert "the command line" in message


def test_all_faults_of_a_file_are_told_at_once(file: Path):
    file.write_text("society: {name: income_tax}\nsed: 1\nthreads: 0\n")
    message = refusal(file)
    assert all(part in message for part in ("population is missing", "unknown key 'sed'", "threads: found 0"))


def test_a_missing_file_names_those_there_are(tmp_path: Path):
    message = refusal(tmp_path / "demoo.yaml")
    assert "did you mean 'demo.yaml'?" in message


def test_broken_yaml_is_told_by_line(file: Path):
    file.write_text("society: {name: income_tax\nseed: 1\n")
    assert f"{file}:" in refusal(file)


def test_what_changes_no_number_is_no_difference(file: Path):
    base = load_config(file)
    assert differences(load_config(file, ["threads=2", "budget.calls=9"]), base) == []
    hot = load_config(file, ["population.settings.temperature=2"])
    assert differences(base, hot) == ["population.settings.temperature: None here, 2 there"]
    other: Config = load_config(file, ["seed=2", "population.model=mock"])
    assert differences(other, base) == ["seed: 2 here, 0 there", "population.model: 'mock' here, 'embedded' there"]


@pytest.mark.parametrize("section", ["smoke: 3", "smoke: [a]", ""])
def test_a_small_run_is_never_a_full_one_by_mistake(tmp_path: Path, section: str):
    path = tmp_path / "plain.yaml"
    path.write_text(f"society: {{name: income_tax}}\npopulation: {{people: personas/village}}\n{section}\n")
    with pytest.raises(UserError, match="--smoke needs a section `smoke:`"):
        load_config(path, (), smoke=True)
