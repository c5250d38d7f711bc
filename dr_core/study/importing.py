"""Bringing a lab's own checkpoint into a study: read without trust, mapped, checked, and only then written."""

import dataclasses
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from dr_core.data.fundus import read_fundus
from dr_core.data.grades import GRADES, ReferableFrom
from dr_core.data.intake.table import read_label_table
from dr_core.data.preprocessing import Preprocessing
from dr_core.errors import InputError
from dr_core.files import digest_file, locked
from dr_core.models.architectures import build_without_weights, find_architecture
from dr_core.models.checkpoint import CheckpointInfo, LoadedModel, read_info, save_model
from dr_core.models.heads import OUTPUT_COUNTS, Outputs, double_logit, name_groups, wrap_head
from dr_core.models.prediction import predict_photographs
from dr_core.models.setups import Setup, declare_setups
from dr_core.models.validity import check_weights
from dr_core.models.weight_mapping import WeightMapping, fill_network, find_nearest, map_weights
from dr_core.models.weights_file import WeightsFile, read_weights_file
from dr_core.study.folder import Study, StudyInfo, open_study, write_study_info
from dr_core.study.ownership import check_training

MADE_BY = "import"
"""What the head of a study says that began with an imported model."""

EXPECTED_WITHIN = 1e-4
"""Largest difference of a probability from what the user expects of it."""


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What is imported, and as what.

    Attributes:
        file: The file of weights.
        study: Folder of the study; begun where there is none.
        setup: The set-up that it becomes.
        arch: Name of the architecture, as `find_architecture` takes it.
        preprocessing: How an eye becomes its input.
        outputs: What its last layer gives; None decides by the number of outputs.
        head: What the file calls the last layer; empty finds it.
        ignore: Beginnings of names in the file that are left out knowingly.
        expect: Table `path`, `p0` to `p4` of photographs and the answers that the model must give.
        training_data: What it was trained on, one line for people.
        positive_from: Lowest grade that the yes of a head with one or two outputs means; None for other heads.
    """

    file: Path
    study: Path
    setup: Setup
    arch: str
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    outputs: Outputs | None = None
    head: str = ""
    ignore: Sequence[str] = ()
    expect: Path | None = None
    training_data: str = "eyes that are not known here"
    positive_from: ReferableFrom | None = None


@dataclass(frozen=True, kw_only=True)
class ImportPlan:
    """What an import would write, looked at before anything is written.

    Attributes:
        mapping: Which tensor becomes which weight.
        outputs: What the last layer gives.
        digest: SHA-256 of the file.
        notes: Sentences on what was understood.
        nearest: Architecture that fits the file best, where the one that was named does not fit; empty for none.
    """

    mapping: WeightMapping
    outputs: Outputs
    digest: str
    notes: tuple[str, ...]
    nearest: str = ""


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What was imported.

    Attributes:
        plan: As it was planned.
        checkpoint: The checkpoint.
        compared: Number of photographs whose answers were compared with the expected ones.
        difference: Largest difference of a probability; NaN where none was compared.
    """

    plan: ImportPlan
    checkpoint: Path
    compared: int
    difference: float


def plan_import(request: ImportRequest) -> ImportPlan:
    """Look at a file and find how it would fill the network; nothing is written.

    Raises:
        InputError: If the file cannot be read, the architecture is unknown, or the last layer answers something else
            than grades.
    """
    return _plan(request, *_read(request.file))


def _read(path: Path) -> tuple[WeightsFile, str]:
    """A file's weights and its SHA-256, which is taken meanwhile."""
    with ThreadPoolExecutor(max_workers=1) as worker:
        digest = worker.submit(digest_file, path) if path.is_file() else None
        file = read_weights_file(path)  # raises where there is none
    assert digest is not None  # for the type checker
    return file, digest.result()


def _plan(request: ImportRequest, file: WeightsFile, digest: str) -> ImportPlan:
    known, size = find_architecture(request.arch), request.preprocessing.size
    outputs = request.outputs or ("grades" if request.positive_from is None else "referable")
    _check_reading(request, outputs)
    mapping = _map(request, file, OUTPUT_COUNTS[outputs], known.head)
    given = _count_outputs(file, mapping, known.head)
    if outputs == "grades" and request.outputs is None and given and given != OUTPUT_COUNTS["grades"]:
        outputs = _outputs_of(request, given)
        mapping = _map(request, file, OUTPUT_COUNTS[outputs], known.head)
    elif outputs == "referable" and given == 1:
        mapping = _map(request, file, 1, known.head)
    nearest = "" if mapping.fits else find_nearest(file.tensors, size)
    return ImportPlan(
        mapping=mapping,
        outputs=outputs,
        digest=digest,
        notes=(*file.notes, *mapping.notes),
        nearest="" if nearest == request.arch else nearest,
    )


def _check_reading(request: ImportRequest, outputs: Outputs) -> None:
    """A yes means certain grades, and only a yes does."""
    if (outputs == "referable") == (request.positive_from is None):
        raise InputError(
            "For a head that says yes or no, and for no other, give the lowest grade that its yes means: 2 for "
            "moderate DR or worse (ICDR), 3 for severe DR or worse, 1 for any DR."
        )


def _map(request: ImportRequest, file: WeightsFile, outputs: int, head: str) -> WeightMapping:
    network = build_without_weights(request.arch, outputs, request.preprocessing.size)
    return map_weights(network, file.tensors, head=head, file_head=request.head, ignore=request.ignore)


def _count_outputs(file: WeightsFile, mapping: WeightMapping, head: str) -> int:
    """Number of outputs of the file's last layer; 0 where it is not found."""
    name = mapping.names.get(f"{head}.weight") or mapping.names.get(f"{head}.fc.weight")
    return int(file.tensors[name].shape[0]) if name else 0


def _outputs_of(request: ImportRequest, count: int) -> Outputs:
    """What a last layer of this many outputs gives, where that is plain."""
    if count == OUTPUT_COUNTS["cumulative"]:
        return "cumulative"
    about = f"The last layer of {request.file} gives {count} number{'s' * (count > 1)}"
    if count == 1:
        raise InputError(
            f"{about}, which may be the grade itself or the probability of disease; say that the outputs are "
            "`regression` if it is the grade, and `referable` if it is the logit of a yes."
        )
    if count == 2:
        raise InputError(
            f"{about}, a yes or no; say that the outputs are `referable`, and the lowest grade that its yes means. The "
            "five grades are not invented from two answers."
        )
    raise InputError(
        f"{about}, not the {len(GRADES)} grades; finetune a set-up that starts from this file in place of importing it."
    )


def import_model(request: ImportRequest) -> ImportReport:
    """Import a model: its checkpoint with a header that says where it came from, and its set-up in the study's head.

    Args:
        request: What and as what.

    Returns:
        What was done.

    Raises:
        InputError: If the name is taken, the study is not the user's own, the weights do not fit or are not finite, or
            the answers are not those expected. Nothing is written then.
    """
    _check_name(request)
    file, digest = _read(request.file)
    plan = _plan(request, file, digest)
    model = _build(request, file, plan)
    compared, difference = compare_answers(model, request.expect) if request.expect is not None else (0, float("nan"))
    checkpoint = _write(request, model)
    return ImportReport(plan=plan, checkpoint=checkpoint, compared=compared, difference=difference)


def _check_name(request: ImportRequest) -> None:
    declare_setups([request.setup])
    head = request.study / "study.json"
    seed = open_study(request.study).info.seed if head.is_file() else 0
    check_training(request.study, request.setup.name, 100, seed)
    if not head.is_file():
        return
    study = open_study(request.study)
    if request.setup.name in study.setups:
        raise InputError(
            f"The study {study.name} has a set-up {request.setup.name!r} already; give this one another name."
        )
    declare_setups([*study.setups.values(), request.setup])


def _build(request: ImportRequest, file: WeightsFile, plan: ImportPlan) -> LoadedModel:
    check_weights(request.file.name, file.tensors)
    if not plan.mapping.fits:
        differences = "; ".join(plan.mapping.differences())
        near = f" By its shapes it is most like {plan.nearest}." if plan.nearest else ""
        if any(name.startswith("fc_norm.") for name in plan.mapping.unexpected) and ":" not in request.arch:
            near += f" Its tokens are averaged before the last layer: name the architecture {request.arch}:avg."
        raise InputError(f"{request.file} does not hold a {request.arch}: {differences}.{near} Nothing was written.")
    network = build_without_weights(request.arch, OUTPUT_COUNTS[plan.outputs], request.preprocessing.size)
    fill_network(network, _two_logits(request, file, plan), plan.mapping)
    renamed = {name: full for name, full in plan.mapping.names.items() if full != plan.mapping.prefix + name}
    info = CheckpointInfo(
        arch=request.arch,
        setup=request.setup.name,
        preprocessing=request.preprocessing,
        validation_auc=float("nan"),
        training_data=request.training_data,
        data_fingerprint="",
        training={
            "imported": {
                "file": request.file.name,
                "sha256": plan.digest,
                "container": file.container,
                "prefix": plan.mapping.prefix,
                "renamed": renamed,
                "left_out": plan.mapping.left,
            }
        },
        outputs=plan.outputs,
        classes=name_groups(request.positive_from) if request.positive_from else GRADES,
        positive_from=request.positive_from or 0,
    )
    model = wrap_head(network, plan.outputs).eval().requires_grad_(False)
    return LoadedModel(model, info)


def _two_logits(request: ImportRequest, file: WeightsFile, plan: ImportPlan) -> Mapping[str, Tensor]:
    """The file's tensors, the last layer of one logit doubled where a yes or no is wanted."""
    head = find_architecture(request.arch).head
    if plan.outputs != "referable" or _count_outputs(file, plan.mapping, head) != 1:
        return file.tensors
    names = [plan.mapping.names.get(f"{head}.{part}") for part in ("weight", "bias")]
    return {**file.tensors, **{name: double_logit(file.tensors[name]) for name in names if name}}


def compare_answers(model: LoadedModel, table: Path) -> tuple[int, float]:
    """Compare a model's answers with those that the user expects.

    Args:
        model: The model.
        table: CSV with the columns `path` (from the table's folder), and `p0` to `p4`; of a model that says yes or no
            `path` and `p`, the probability of yes.

    Returns:
        Number of photographs, and the largest difference of a probability.

    Raises:
        InputError: If the table or a photograph cannot be read, or a probability differs by more than
            `EXPECTED_WITHIN`.
    """
    yes = model.info.positive_from
    columns = ["p"] if yes else [f"p{grade}" for grade in range(len(GRADES))]
    rows = read_label_table(table, ["path", *columns]).frame
    if rows.empty:
        raise InputError(f"{table} holds no photograph; give at least one with its answers.")
    expected = rows[columns].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    if not np.isfinite(expected).all():
        raise InputError(f"{table} holds answers that are no numbers; write probabilities such as 0.25.")
    images = (read_fundus(table.parent / name) for name in rows["path"])
    answers = predict_photographs({"": model}, images)[""]
    answers = answers[:, [yes]] if yes else answers
    differences = np.abs(answers - expected).max(axis=1)
    worst = int(differences.argmax())
    if differences[worst] > EXPECTED_WITHIN:
        shown = [" ".join(f"{value:.4f}" for value in values[worst]) for values in (answers, expected)]
        raise InputError(
            f"The imported model answers {shown[0]} about {rows['path'].iloc[worst]}, not {shown[1]}; check the size, "
            "crop, mean and std with which it was trained. Nothing was written."
        )
    return len(rows), float(differences[worst])


def _write(request: ImportRequest, model: LoadedModel) -> Path:
    """The checkpoint first, and the head last, which alone makes it part of the study."""
    request.study.mkdir(parents=True, exist_ok=True)
    with locked(request.study / "study.json"):
        study = _open_or_begin(request)
        checkpoint = study.checkpoint_path(request.setup.name)
        checkpoint.parent.mkdir(exist_ok=True)
        try:
            save_model(checkpoint, model.model, model.info)
            read_info(checkpoint)  # what cannot be read back is not kept
        except InputError:
            checkpoint.unlink(missing_ok=True)
            raise
        info = study.info
        write_study_info(
            request.study,
            dataclasses.replace(
                info,
                setups=declare_setups([*info.setups, request.setup]),
                checkpoints=info.checkpoints | {request.setup.name: digest_file(checkpoint)},
            ),
        )
    return checkpoint


def _open_or_begin(request: ImportRequest) -> Study:
    if (request.study / "study.json").is_file():
        return open_study(request.study)
    info = StudyInfo(
        title=request.study.resolve().name,
        summary="Imported models.",
        protocol=f"{request.preprocessing.crop.replace('_', ' ')}, {request.preprocessing.size} px",
        seed=0,
        setups=(),
        data=(),
        made_by=MADE_BY,
    )
    return Study(request.study, info)
