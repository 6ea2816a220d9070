"""Rules as a user names them: a baseline, any that a comparison has, what a run learned, or a file of numbers."""

from pathlib import Path
from typing import cast

import torch
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from torch import Tensor

from experiments.counterfactual import Standing
from experiments.errors import UserError
from experiments.rule_names import BASELINES, DEFAULT, TWO_LEVEL, is_plain, possible
from experiments.run_baselines import Spent, check_baselines, principal_of
from mechanism.swm_ap import Outcome
from personas.spelling import suggest
from societies.base import Principal, PublicStep, Society
from societies.mechanisms import check
from societies.play import Fixed

LEARNED = "swm_ap"
LONGEST = 10_000  # bytes of a file of rates


def rules_named(
    name: str, society: Society, outcome: Outcome, seed: int, taught: Principal | None, where: str = "MECHANISM"
) -> Principal:
    """`name`: a baseline, DEFAULT, flat_0 to flat_100, LEARNED, or a file; taught: who learned rules while the people
    of the run learned.

    UserError: there are no such rules, or they are not allowed.
    """
    known = (LEARNED, DEFAULT, *possible(society), *((TWO_LEVEL,) if taught else ()))
    if name in BASELINES and (taught or name != TWO_LEVEL):
        check_baselines([name], society, taught is not None, where)
    elif name != LEARNED and not is_plain(name, society):
        if _is_file(name):
            return Fixed(_of_file(Path(name), society))
        fix = f"name a file of {len(society.default_mechanism())} rates, flat_0 to flat_100, or: {', '.join(known)}"
        raise UserError(f"there are no rules {name!r}{suggest(name, known)}", where=where, fix=fix)
    return principal_of(name, society, outcome, Spent(seed, 0, 0, taught))[0]


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # the name is too long to be one
        return False


def _of_file(file: Path, society: Society) -> Tensor:
    """[M] a YAML or JSON list of numbers. UserError naming file and line."""
    size = len(society.default_mechanism())
    fix = f"write a list of {size} numbers, as in [{', '.join(f'{x:g}' for x in society.default_mechanism().tolist())}]"
    rates = _numbers(_read(file, fix))
    if rates is None:
        raise UserError("it is no list of numbers", where=str(file), fix=fix)
    if len(rates) != size:
        raise UserError(f"it has {len(rates)} numbers; {society.name} has {size} rates", where=str(file), fix=fix)
    return _allowed(torch.tensor(rates, dtype=torch.float32), society, file, fix)


def _read(file: Path, fix: str) -> object:
    """What the file says, as YAML."""
    try:
        length = file.stat().st_size
        content = file.read_bytes() if length <= LONGEST else b""
    except OSError as error:
        raise UserError(f"it cannot be read: {error.strerror}", where=str(file), fix=fix) from None
    if length > LONGEST:
        raise UserError(f"it has {length:,} bytes; no list of rates is so long", where=str(file), fix=fix)
    try:
        return YAML(typ="safe", pure=True).load(content)
    except (YAMLError, ValueError, RecursionError) as error:  # ValueError: a number of thousands of digits, say
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        raise UserError("it is no YAML", where=f"{file}:{mark.line + 1 if mark else 1}", fix=fix) from None


def _numbers(found: object) -> list[float] | None:
    """None where it is no list of them, or one is beyond all floats."""
    if not isinstance(found, list):
        return None
    values = cast(list[object], found)
    try:
        rates = [float(x) for x in values if isinstance(x, int | float) and not isinstance(x, bool)]
    except OverflowError:
        return None
    return rates if len(rates) == len(values) else None


def _allowed(rates: Tensor, society: Society, file: Path, fix: str) -> Tensor:
    try:
        check(society, 0, rates, 1)
    except ValueError as error:
        raise UserError(str(error), where=str(file), fix=fix) from None
    return rates


def in_place(principal: Principal, at: Standing) -> Tensor:
    """[B, M] its rules for the next step, after it has watched the steps before, whoever made the rules then."""
    memory, rules = principal.start(at.people.worlds), at.society.default_mechanism()
    for t in range(at.step + 1):
        with torch.no_grad():
            memory, rules = principal.propose(memory, _shown(at, t))
    return rules.expand(at.people.worlds, -1)


def _shown(at: Standing, t: int) -> PublicStep:
    """What a principal is shown before step t."""
    past = at.seen
    features = at.features if t == at.step else past.features[:, t]
    if t == 0:
        return PublicStep(0, features, None, None, None, None)
    last = (part[:, t - 1] for part in (past.features, past.mechanism, past.response, past.choice))
    return PublicStep(t, features, *last)
