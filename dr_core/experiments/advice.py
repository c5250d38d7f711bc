"""What would make a result table that a study lacks: the experiment that writes it."""

from dr_core.errors import Remedy
from dr_core.experiments.registry import EXPERIMENTS
from dr_core.study.advice import Advice, advise_checkpoint
from dr_core.study.folder import Study


def advise_table(study: Study, table: str) -> Advice:
    """Advice on a result table that a study lacks.

    Args:
        study: The study.
        table: Key of `RESULT_COLUMNS`.
    """
    missing = f"The study {study.name} has no table of {table.replace('_', ' ')} yet."
    if not any(study.has_checkpoint(setup) for setup in study.setups):
        without = f"{missing} It has no trained model that could be measured."
        return Advice(without, advise_checkpoint(study, next(iter(study.setups), "")).remedy)
    experiment = next((one for one in EXPERIMENTS.values() if table in one.tables), None)
    if experiment is None:
        return Advice(missing)
    stored = study.has_results(next(iter(experiment.tables)))
    kind = "measure again" if table in experiment.follows and stored else "measure"
    return Advice(missing, Remedy(kind, {"experiment": experiment.key, "study": str(study.path)}))
