"""The principal that a finished run learned, as it lies in the run's folder."""

from experiments.cast import society_of
from experiments.errors import UserError
from experiments.runs import Run, open_finished
from experiments.stages import TENSORS
from mechanism.policy import Learned, untrained
from world_model.model import WorldModel


def learned_principal(name: str) -> Learned:
    """The learned principal of a run, by its name or folder; it plays its mean.

    UserError: there is no such run, it is not finished, or its folder does not hold what was learned.
    """
    with open_finished(name) as run:
        society, settings = society_of(run.config), run.config.method.settings
        last = _rounds(run) - 1
        model = WorldModel(society, settings.model, 0)
        model.load_state_dict(dict(TENSORS.read(run.stages.folder / f"people-{last}.safetensors")))
        model.requires_grad_(False)
        learned = untrained(society, model, 0, settings.use_forecast, settings.beliefs)
        learned.policy.load_state_dict(dict(TENSORS.read(run.stages.folder / f"rules-{last}.safetensors")))
        return learned


def _rounds(run: Run) -> int:
    """How many rounds of learning are kept there."""
    kept = len(list(run.stages.folder.glob("rules-*.safetensors")))
    if kept == 0:
        raise UserError("it keeps no rules that were learned", where=str(run.stages.folder), fix="run it again")
    return kept
