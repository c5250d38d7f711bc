"""Claims of section 4.4, Table 3: do LRP heatmaps lie on the lesions?

All are checked on the paper's protocol, from the severe neuron, by means over the same eyes. The paper's second score
(eq. 3) cannot be reconstructed: its claims stand undecided, with our version on rank accuracy (CLEVR-XAI) beside each.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from dr_core.data.grades import lesion_code
from dr_core.experiments.table3 import keep_paper_method
from dr_core.publish.paper.claim import (
    FOUR,
    INITIALIZATIONS,
    MISSING,
    NOT_RECONSTRUCTED,
    TRAININGS,
    Claim,
    Gathered,
    Tables,
    contrast_pairs,
    label,
)
from dr_core.publish.paper.evidence import Contrast, Measured, combine, mean_influence
from dr_core.publish.paper.published import published_mean
from dr_core.publish.paper.verdicts import ALL, MOST, SAME_DIRECTION, Rule, close

DATA = "idrid"
"""Key under which eyes with masks are known; the table `localization` has no other."""

_MARGIN = math.log(1.25)
"""Ratio up to which a mass accuracy counts as equal to its control, as a logarithm; the paper names no limit."""

_NOT_CLEARLY = 0.05
"""Difference of rank accuracies that is not clear; the paper names none."""

_POOLINGS = ("sum_pos", "l2_norm_sq")
_TITLES = {"view": "field of view", "mass accuracy": "RMA", "rank accuracy": "rank accuracy", "entropy": "entropy"}

_MASS, _RANK = "mass accuracy", "rank accuracy"


def _title(name: str) -> str:
    return _TITLES.get(name) or lesion_code(name)


@dataclass(frozen=True)
class _Cell:
    """A mean of Table 3: lesion, pooling, score and method."""

    lesion: str
    pooling: str
    score: str = _MASS
    method: str = "lrp"

    @property
    def name(self) -> str:
        return f"{_title(self.lesion)}, {_title(self.score)} {self.pooling}"

    def published(self, setup: str) -> float:
        """The paper's mean; NaN for what it does not give."""
        return published_mean(self.lesion, setup, self.pooling, self.score, self.method)


def scores_by_run(tables: Tables) -> dict[tuple[str, ...], dict[str, np.ndarray]]:
    """(Lesion, pooling, score, method) -> set-up -> float64 (runs, eyes), NaN in eyes that a run lacks."""
    rows = keep_paper_method(tables["localization"])
    kept = rows[(rows["protocol"] == "paper") & (rows["fraction"] == 100) & rows["setup"].isin(FOUR)]
    kept = kept.assign(number=np.unique(kept["eye"], return_inverse=True)[1])
    keys = ["lesion", "pooling", "score", "method", "setup", "seed"]
    wide = kept.pivot_table(index=keys, columns="number", values="value", aggfunc="first", dropna=False)
    wide = wide[wide.notna().any(axis=1)]
    values = wide.to_numpy(float)
    found: dict[tuple[str, ...], dict[str, list[np.ndarray]]] = {}
    for row, key in enumerate(wide.index.to_list()):
        found.setdefault(tuple(map(str, key[:4])), {}).setdefault(str(key[4]), []).append(values[row])
    return {key: {setup: np.stack(runs) for setup, runs in by_setup.items()} for key, by_setup in found.items()}


def _measure(tables: Tables, cells: Sequence[_Cell]) -> dict[str, Measured]:
    """Means over the eyes in which every set-up and run has the score."""
    known = tables.once(scores_by_run)
    blocks: dict[str, list[np.ndarray]] = {}
    fewest = math.inf
    for cell in cells:
        by_setup = known.get((cell.lesion, cell.pooling, cell.score, cell.method), {})
        if not by_setup:
            return {}
        common = np.isfinite(np.concatenate(list(by_setup.values()))).all(axis=0)  # the same eyes for all
        fewest = min(fewest, int(common.sum()))
        for setup, values in by_setup.items():
            blocks.setdefault(setup, []).append(np.where(common, values, np.nan))
    measured = {}
    for setup, parts in blocks.items():
        if len(parts) == len(cells) and fewest > 1:
            of_runs = np.stack(parts, axis=-1)  # (runs, eyes, cells)
            influence = mean_influence(of_runs.mean(axis=0), np.arange(of_runs.shape[1]))
            measured[setup] = Measured(values=np.nanmean(of_runs, axis=1), influence=influence, freedom=fewest - 1)
    return measured


def _differences(
    lesions: Sequence[str], scores: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> Callable[[Tables], Gathered]:
    """The first set-up of each pair minus the second, paired by eyes."""

    def gather(tables: Tables) -> Gathered:
        cells = [_Cell(lesion, pooling, score) for lesion, score, pooling in product(lesions, scores, _POOLINGS)]
        wanted = [
            (first, second, column, cell.published(first) - cell.published(second))
            for column, cell in enumerate(cells)
            for first, second in pairs
        ]
        return {DATA: contrast_pairs(_measure(tables, cells), [cell.name for cell in cells], wanted)}

    return gather


def _over_control(lesion: str, setups: Sequence[str], poolings: Sequence[str]) -> Callable[[Tables], Gathered]:
    """Logarithm of mass accuracy over that of the measured Gaussian control, on the same eyes."""

    def gather(tables: Tables) -> Gathered:
        cells = [_Cell(lesion, pooling, method=method) for pooling in poolings for method in ("lrp", "random")]
        measured = {setup: _ratios(part) for setup, part in _measure(tables, cells).items()}
        if not set(setups) <= set(measured):
            return {DATA: MISSING}
        contrasts = []
        for setup, column in product(setups, range(len(poolings))):
            own, control = cells[2 * column : 2 * column + 2]
            name = f"{label(setup)}, ln({own.name} / its random control)"
            published = math.log(own.published(setup) / control.published(setup))
            contrasts.append(Contrast(name=name, weights={(setup, column): 1.0}, published=published))
        return {DATA: combine(measured, contrasts)}

    return gather


def _ratios(part: Measured) -> Measured:
    """Logarithms of each even cell over the odd one after it (delta method)."""
    means = part.values.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        influence = part.influence / means
        values = np.log(part.values[:, ::2] / part.values[:, 1::2])
    return Measured(values=values, influence=influence[:, ::2] - influence[:, 1::2], freedom=part.freedom)


def _poolings_agree(tables: Tables) -> Gathered:
    """Every finding on mass accuracy under both poolings, one after the other."""
    findings = [*product(("microaneurysms", "haemorrhages", "hard_exudates", "total"), _CL_OVER_FS)]
    findings += product(("microaneurysms", "haemorrhages", "hard_exudates"), _IFI_OVER_IWNE)
    cells = [_Cell(lesion, pooling) for lesion, pooling in product(("microaneurysms", "haemorrhages"), _POOLINGS)]
    cells += [_Cell(lesion, pooling) for lesion, pooling in product(("hard_exudates", "total"), _POOLINGS)]
    places = {(cell.lesion, cell.pooling): column for column, cell in enumerate(cells)}
    wanted = [
        (*pair, index := places[lesion, pooling], cells[index].published(pair[0]) - cells[index].published(pair[1]))
        for lesion, pair in findings
        for pooling in _POOLINGS
    ]
    return {DATA: contrast_pairs(_measure(tables, cells), [cell.name for cell in cells], wanted)}


def _spread(tables: Tables) -> Gathered:
    cells = [_Cell("view", pooling, "entropy") for pooling in _POOLINGS]
    measured = _measure(tables, cells)
    if not measured:
        return {DATA: "the table has no entropies of the heatmaps; measure it again with this version"}
    wanted = [(*pair, column, math.nan) for column in range(len(cells)) for pair in _IFI_OVER_IWNE]
    return {DATA: contrast_pairs(measured, [cell.name for cell in cells], wanted)}


_CL_OVER_FS = tuple((contrastive, supervised) for supervised, contrastive in TRAININGS)
_IFI_OVER_IWNE = tuple((imagenet, scratch) for scratch, imagenet in INITIALIZATIONS)
_OTHERS = FOUR[1:]


def _claim(
    key: str,
    statement: str,
    paper: str,
    gather: Callable[[Tables], Gathered],
    rule: Rule = ALL,
    *,
    unit: str = "RMA",
) -> Claim:
    return Claim(
        key=key,
        exhibit="Table 3",
        section="4.4",
        statement=statement,
        paper=paper,
        tables=("localization",),
        gather=gather,
        rule=rule,
        unit=unit,
    )


def _on_equation_3(
    key: str,
    statement: str,
    paper: str,
    lesions: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    rule: Rule = ALL,
) -> Iterable[Claim]:
    """A claim on the paper's RRA, undecided, and the project's own version of it."""
    gather = _differences(lesions, (_RANK,), pairs)
    yield replace(_claim(key, statement.format("RRA"), paper, gather, rule), undefined=NOT_RECONSTRUCTED)
    ours = f"Our version: {statement.format('rank accuracy (CLEVR-XAI)')}"
    version = _claim(f"{key}_rank_accuracy", ours, "no such number", gather, rule, unit="rank accuracy")
    yield replace(version, own=True)


CLAIMS = (
    _claim(
        "ma_ignored",
        "IWNE-FS ignores microaneurysms: its RMA (sum_pos) equals its control, within 25 % (our limit).",
        "“very close”: 0.0076 against 0.0073",
        _over_control("microaneurysms", ("iwne_fs",), ("sum_pos",)),
        close(_MARGIN, "(ln; 25 %)"),
        unit="ln of the ratio",
    ),
    _claim(
        "ma_others_above",
        "On microaneurysms the other three models have an RMA above their control.",
        "0.0093, 0.0172, 0.0198 against 0.0073 (sum_pos)",
        _over_control("microaneurysms", _OTHERS, _POOLINGS),
        unit="ln of the ratio",
    ),
    _claim(
        "ma_cl_above_fs",
        "On microaneurysms CL has the higher RMA than FS, from scratch and from ImageNet, by both poolings.",
        "0.0093 against 0.0076, 0.0198 against 0.0172 (sum_pos)",
        _differences(("microaneurysms",), (_MASS,), _CL_OVER_FS),
    ),
    _claim(
        "ma_ifi_above_iwne",
        "On microaneurysms IFI has the higher RMA than IWNE.",
        "0.0172 against 0.0076, 0.0198 against 0.0093 (sum_pos)",
        _differences(("microaneurysms",), (_MASS,), _IFI_OVER_IWNE),
    ),
    *_on_equation_3(
        "ma_rank_cl",
        "On microaneurysms CL has the higher {} than FS as well.",
        "0.4370 against 0.3447, 0.5831 against 0.5097 (sum_pos)",
        ("microaneurysms",),
        _CL_OVER_FS,
    ),
    _claim(
        "he_ignored",
        "IWNE-FS ignores haemorrhages: its RMA (sum_pos) equals its control, within 25 % (our limit).",
        "“similar”: 0.0251 against 0.0234",
        _over_control("haemorrhages", ("iwne_fs",), ("sum_pos",)),
        close(_MARGIN, "(ln; 25 %)"),
        unit="ln of the ratio",
    ),
    _claim(
        "he_cl_above_fs",
        "On haemorrhages CL has the higher RMA than FS, from scratch and from ImageNet.",
        "0.0602 against 0.0251, 0.0765 against 0.0711 (sum_pos)",
        _differences(("haemorrhages",), (_MASS,), _CL_OVER_FS),
    ),
    *_on_equation_3(
        "he_rank_cl",
        "On haemorrhages CL has the higher {} than FS, from scratch and from ImageNet.",
        "0.4971 against 0.3845, 0.6898 against 0.5840 (sum_pos)",
        ("haemorrhages",),
        _CL_OVER_FS,
    ),
    _claim(
        "ex_fs_above_cl",
        "On hard exudates FS has the higher RMA than CL, from scratch and from ImageNet.",
        "0.1954 against 0.1206, 0.1103 against 0.0725 (sum_pos)",
        _differences(("hard_exudates",), (_MASS,), TRAININGS),
    ),
    *_on_equation_3(
        "ex_rank_fs",
        "On hard exudates FS has the higher {} than CL in the majority of cases.",
        "in 3 of 4 means",
        ("hard_exudates",),
        TRAININGS,
        MOST,
    ),
    _claim(
        "ex_overfit",
        "IWNE-FS overfits to hard exudates: its RMA on them is the highest of the four.",
        "0.1954 against 0.1206, 0.1103, 0.0725 (sum_pos)",
        _differences(("hard_exudates",), (_MASS,), tuple(("iwne_fs", other) for other in _OTHERS)),
    ),
    _claim(
        "ex_ifi_reduces",
        "Initialization from ImageNet reduces overfitting to hard exudates for both trainings: IFI has the lower RMA.",
        "0.1103 against 0.1954, 0.0725 against 0.1206 (sum_pos)",
        _differences(("hard_exudates",), (_MASS,), INITIALIZATIONS),
    ),
    _claim(
        "total_fs_above_cl",
        "On all lesions together FS has the higher RMA than CL.",
        "0.2266 against 0.1887, 0.1969 against 0.1671 (sum_pos)",
        _differences(("total",), (_MASS,), TRAININGS),
    ),
    *_on_equation_3(
        "total_rank_ifi_cl",
        "On all lesions together IFI-CL has the higher {} than IFI-FS.",
        "0.5847 against 0.5479 (sum_pos)",
        ("total",),
        _CL_OVER_FS[1:],
    ),
    *_on_equation_3(
        "total_rank_iwne",
        f"On all lesions together no IWNE model clearly leads in {{}}: within {_NOT_CLEARLY} (our limit).",
        "“do not clearly outperform each other”: 0.4459 and 0.5015 (sum_pos)",
        ("total",),
        _CL_OVER_FS[:1],
        close(_NOT_CLEARLY, "of the score"),
    ),
    _claim(
        "ifi_above_iwne",
        "On microaneurysms and haemorrhages IFI has the higher RMA than IWNE throughout.",
        "in 8 of 8 means",
        _differences(("microaneurysms", "haemorrhages"), (_MASS,), _IFI_OVER_IWNE),
    ),
    *_on_equation_3(
        "rank_ifi_above_iwne",
        "On microaneurysms and haemorrhages IFI has the higher {} than IWNE throughout.",
        "in 8 of 8 means",
        ("microaneurysms", "haemorrhages"),
        _IFI_OVER_IWNE,
    ),
    _claim(
        "poolings_agree",
        "The findings on RMA are agnostic to the pooling: each comes out the same way by both.",
        "“the findings here are agnostic to the pooling strategy”",
        _poolings_agree,
        SAME_DIRECTION,
    ),
    _claim(
        "ifi_outspread",
        "IFI's heatmaps are more outspread than IWNE's: a larger entropy within the field of view (our measure).",
        "“significantly more outspread”",
        _spread,
        unit="entropy, 0..1",
    ),
)
