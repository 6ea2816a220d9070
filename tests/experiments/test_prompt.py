"""`solon prompt`: what somebody is told, as it is sent."""

import json
import re
from pathlib import Path
from zlib import crc32

import pytest
from click.testing import Result
from typer.testing import CliRunner

from agents.embedded.engine import EmbeddedEngine
from agents.llm.engine import Request
from experiments.cli import app
from experiments.errors import ROOT
from experiments.prompt import config, prompts
from personas.load import load_persona
from tests.agents.llm.fake_server import Body, serving

MARIA = ROOT / "personas/village/maria-keller.yaml"
POPULATIONS = ROOT / "personas/populations"


def by_digits(body: Body) -> list[int]:
    """A tokenizer that writes 45 as 4 and 5."""
    words = re.findall(r"[0-9]|[A-Za-z]+|.", "\n".join(one["content"] for one in body["messages"]), re.DOTALL)
    return [crc32(word.encode()) for word in words]


def solon(*words: object) -> Result:
    return CliRunner().invoke(app, ["prompt", *map(str, words)])


def test_it_is_the_prompt_of_that_person_as_sent_and_as_long() -> None:
    (told,) = json.loads(solon("income_tax", "maria-keller", "--step", 2, "--json").stdout)
    words = {one["role"]: one["content"] for one in told["messages"]}
    assert list(words) == ["system", "user"]
    assert load_persona(MARIA).biography in words["system"]
    assert words["user"].startswith("Last year: ")
    assert told["schema"]["properties"]["hours"]["enum"][:3] == [0, 5, 10]
    (one,) = prompts(config("income_tax", MARIA, "embedded", None, []), 2)
    asked = one.request.question
    assert (asked.system, asked.user) == (words["system"], words["user"])
    (reply,) = EmbeddedEngine().complete([Request(asked, "distribution")])
    assert told["tokens"] == reply.tokens_in


def test_in_a_terminal_it_is_shown_message_by_message() -> None:
    done = solon("income_tax", MARIA, "--model", "openai:x")
    assert [line for line in done.stdout.splitlines() if line.startswith("[")] == ["[system]", "[user]", "[answer]"]
    assert "about 3" in done.stderr
    assert "4 characters each" in done.stderr


def test_a_vllm_server_gets_letters_where_choices_are_no_tokens() -> None:
    with serving(lambda body: "no", by_digits) as server:
        words = ("income_tax", MARIA, "--model", "vllm:tiny", "--base-url", server.url)
        (told,) = json.loads(solon(*words, "--json").stdout)
        shown = solon(*words).stdout
        (sample,) = json.loads(solon(*words, "population.way=sample", "--json").stdout)
        assert server.asked == []
    _, news, begun = told["messages"]
    assert "C = 10\n" in news["content"]
    assert begun == {"role": "assistant", "content": '{"hours":"'}
    assert told["schema"] is None
    assert told["tokens"] > sum(len(one["content"].split()) for one in told["messages"])
    assert shown.endswith(
        '[assistant]\n{"hours":"\n[answer]\ngoes on from there: the chance of each choice as the next token\n'
    )
    assert [one["role"] for one in sample["messages"]] == ["system", "user"]
    assert sample["schema"]["properties"]["hours"]["enum"][:3] == [0, 5, 10]


@pytest.mark.parametrize(
    ("name", "people"), [("facility8", "visitors"), ("team_formation", "gatherers"), ("facility_line", "street")]
)
def test_somebody_of_a_population_is_told_too(name: str, people: str) -> None:
    done = solon(name, POPULATIONS / f"{people}.yaml", "--model", "openai:x", "--step", 1)
    assert done.exit_code == 0, done.output
    assert "JSON" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["incom", "maria-keller"], "there is no society 'incom'; choose one of:"),
        (["income_tax", "mari"], "did you mean 'maria-keller'?"),
        (["income_tax", "maria-keller", "--step", "99"], "give one from 0 to 11"),
        (["facility8", "maria-keller"], "Maria Keller lacks what facility8 needs: home_x, home_y, roaming"),
        (["income_tax", "maria-keller", "--model", "transformers:nowhere"], "there is no model in nowhere"),
    ],
)
def test_what_cannot_be_told_is_refused(words: list[str], message: str) -> None:
    done = solon(*words)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_broken_file_is_told_by_line(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text(MARIA.read_text() + "\ncolour: blue\n")
    done = solon("income_tax", tmp_path / "broken.yaml")
    assert done.exit_code == 2
    assert "colour" in done.stderr
