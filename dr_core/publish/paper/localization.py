"""Claims of section 4.4, Table 3: do LRP heatmaps lie on the lesions?

All are checked on the paper's protocol (224 px, whole image), from the severe neuron, by means over the same eyes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from dr_core.publish.paper.claim import INITIALIZATIONS, TRAININGS, Claim, label
from dr_core.publish.paper.published import table3
from dr_core.publish.paper.verdicts import ALL, MOST, Comparison, Rule, close
from dr_core.seeds import numpy_generator

DATA = "idrid"
"""Key under which eyes with masks are known; the table `localization` has no other."""

_MARGIN = 0.25
"""Relative difference up to which a mass accuracy counts as equal to its control; the paper names no limit."""

_POOLINGS = ("sum_pos", "l2_norm_sq")
_DRAWS = 1000
_TITLES = {
    "microaneurysms": "MA",
    "haemorrhages": "HE",
    "hard_exudates": "EX",
    "total": "total",
    "mass accuracy": "RMA",
    "recall": "RRA",
}

Wide = pd.DataFrame
"""A row an eye, a column a set-up."""


def _wide(rows: pd.DataFrame, lesion: str, pooling: str, score: str) -> Wide:
    kept = rows[
        (rows["protocol"] == "paper")
        & (rows["method"] == "lrp")
        & (rows["lesion"] == lesion)
        & (rows["pooling"] == pooling)
        & (rows["score"] == score)
    ]
    return kept.pivot_table(index="eye", columns="setup", values="value", aggfunc="first").dropna()


def _published(lesion: str, setup: str, pooling: str, score: str, method: str = "lrp") -> float:
    table = table3()
    keys = {"lesion": lesion, "setup": setup, "pooling": pooling, "score": score, "method": method, "statistic": "mean"}
    for column, key in keys.items():
        table = table[table[column] == key]
    return float(table["value"].item())


def _drawn_means(values: np.ndarray) -> np.ndarray:
    """Mean of the eyes, first of the data and then of draws of them; float64 (..., 1 + D) of (..., eyes)."""
    eyes = values.shape[-1]
    drawn = numpy_generator(0, "claims", eyes).integers(0, eyes, (_DRAWS, eyes))
    return np.concatenate([values.mean(axis=-1)[..., None], values[..., drawn].mean(axis=-1)], axis=-1)


def _measured(name: str, drawn: np.ndarray, published: float) -> Comparison:
    low, high = np.percentile(drawn[1:], [2.5, 97.5])
    return Comparison(name=name, value=float(drawn[0]), low=float(low), high=float(high), published=published)


def _differences(
    rows: pd.DataFrame, lesions: Sequence[str], scores: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> Iterator[Comparison]:
    """The first set-up of each pair minus the second, paired by eyes."""
    for lesion, score, pooling, (first, second) in product(lesions, scores, _POOLINGS, pairs):
        wide = _wide(rows, lesion, pooling, score)
        if len(wide) and {first, second} <= set(wide):
            name = f"{_TITLES[lesion]}, {_TITLES[score]} {pooling}: {label(first)} - {label(second)}"
            of = [_published(lesion, setup, pooling, score) for setup in (first, second)]
            yield _measured(name, _drawn_means((wide[first] - wide[second]).to_numpy()), of[0] - of[1])


def _over_control(
    rows: pd.DataFrame, lesion: str, setups: Sequence[str], poolings: Sequence[str]
) -> Iterator[Comparison]:
    """Mass accuracy over its control, the mask's share of the image, minus 1."""
    known = rows[(rows["protocol"] == "paper") & (rows["lesion"] == lesion)]
    shares = known.drop_duplicates("eye").set_index("eye")["share"]
    for setup, pooling in product(setups, poolings):
        wide = _wide(rows, lesion, pooling, "mass accuracy")
        if len(wide) and setup in wide:
            drawn = _drawn_means(np.stack([wide[setup].to_numpy(), shares[wide.index].to_numpy()]))
            name = f"{_TITLES[lesion]}, RMA {pooling}: {label(setup)} / control - 1"
            of = [_published(lesion, setup, pooling, "mass accuracy", method) for method in ("lrp", "random")]
            yield _measured(name, drawn[0] / drawn[1] - 1, of[0] / of[1] - 1)


_CL_OVER_FS = tuple((contrastive, supervised) for supervised, contrastive in TRAININGS)
_IFI_OVER_IWNE = tuple((imagenet, scratch) for scratch, imagenet in INITIALIZATIONS)
_IFI_TRAINING = _CL_OVER_FS[1:]
_OTHERS = ("iwne_cl", "ifi_fs", "ifi_cl")


def _difference_of(
    lesions: Sequence[str], scores: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> Callable[[pd.DataFrame], Mapping[str, Sequence[Comparison]]]:
    return lambda rows: _of_eyes(_differences(rows, lesions, scores, pairs))


def _control_of(
    lesion: str, setups: Sequence[str], poolings: Sequence[str]
) -> Callable[[pd.DataFrame], Mapping[str, Sequence[Comparison]]]:
    return lambda rows: _of_eyes(_over_control(rows, lesion, setups, poolings))


def _of_eyes(comparisons: Iterable[Comparison]) -> Mapping[str, Sequence[Comparison]]:
    return {DATA: tuple(comparisons)}


def _claim(
    key: str,
    statement: str,
    paper: str,
    compare: Callable[[pd.DataFrame], Mapping[str, Sequence[Comparison]]],
    rule: Rule = ALL,
) -> Claim:
    return Claim(
        key=key,
        place="Table 3",
        section="4.4",
        statement=statement,
        paper=paper,
        table="localization",
        compare=compare,
        rule=rule,
    )


CLAIMS = (
    _claim(
        "ma_ignored",
        "IWNE-FS ignores microaneurysms: its RMA (sum_pos) equals its control.",
        "0.0076 against 0.0073",
        _control_of("microaneurysms", ("iwne_fs",), ("sum_pos",)),
        close(_MARGIN),
    ),
    _claim(
        "ma_others_above",
        "On microaneurysms the other three models have an RMA above their control.",
        "0.0093, 0.0172, 0.0198 against 0.0073 (sum_pos)",
        _control_of("microaneurysms", _OTHERS, _POOLINGS),
    ),
    _claim(
        "ma_cl_above_fs",
        "On microaneurysms CL has the higher RMA than FS, from scratch and from ImageNet, by both poolings.",
        "0.0093 against 0.0076, 0.0198 against 0.0172 (sum_pos)",
        _difference_of(("microaneurysms",), ("mass accuracy",), _CL_OVER_FS),
    ),
    _claim(
        "ma_ifi_above_iwne",
        "On microaneurysms IFI has the higher RMA than IWNE.",
        "0.0172 against 0.0076, 0.0198 against 0.0093 (sum_pos)",
        _difference_of(("microaneurysms",), ("mass accuracy",), _IFI_OVER_IWNE),
    ),
    _claim(
        "ma_rank_cl",
        "On microaneurysms CL has the higher RRA than FS as well.",
        "0.4370 against 0.3447, 0.5831 against 0.5097 (sum_pos)",
        _difference_of(("microaneurysms",), ("recall",), _CL_OVER_FS),
    ),
    _claim(
        "he_ignored",
        "IWNE-FS ignores haemorrhages: its RMA (sum_pos) equals its control.",
        "0.0251 against 0.0234",
        _control_of("haemorrhages", ("iwne_fs",), ("sum_pos",)),
        close(_MARGIN),
    ),
    _claim(
        "he_cl_above_fs",
        "On haemorrhages CL has the higher RMA and RRA than FS, from scratch and from ImageNet.",
        "RMA 0.0602 against 0.0251, 0.0765 against 0.0711 (sum_pos)",
        _difference_of(("haemorrhages",), ("mass accuracy", "recall"), _CL_OVER_FS),
    ),
    _claim(
        "ex_fs_above_cl",
        "On hard exudates FS has the higher RMA than CL, from scratch and from ImageNet.",
        "0.1954 against 0.1206, 0.1103 against 0.0725 (sum_pos)",
        _difference_of(("hard_exudates",), ("mass accuracy",), TRAININGS),
    ),
    _claim(
        "ex_rank_fs",
        "On hard exudates FS has the higher RRA than CL in the majority of cases.",
        "in 3 of 4 means",
        _difference_of(("hard_exudates",), ("recall",), TRAININGS),
        MOST,
    ),
    _claim(
        "ex_overfit",
        "IWNE-FS overfits to hard exudates: its RMA on them is the highest of the four.",
        "0.1954 against 0.1206, 0.1103, 0.0725 (sum_pos)",
        _difference_of(("hard_exudates",), ("mass accuracy",), tuple(("iwne_fs", other) for other in _OTHERS)),
    ),
    _claim(
        "total_fs_above_cl",
        "On all lesions together FS has the higher RMA than CL.",
        "0.2266 against 0.1887, 0.1969 against 0.1671 (sum_pos)",
        _difference_of(("total",), ("mass accuracy",), TRAININGS),
    ),
    _claim(
        "total_rank_ifi_cl",
        "On all lesions together IFI-CL has the higher RRA than IFI-FS.",
        "0.5847 against 0.5479 (sum_pos)",
        _difference_of(("total",), ("recall",), _IFI_TRAINING),
    ),
    _claim(
        "ifi_above_iwne",
        "On microaneurysms and haemorrhages IFI has the higher RMA and RRA than IWNE throughout.",
        "in 16 of 16 means",
        _difference_of(("microaneurysms", "haemorrhages"), ("mass accuracy", "recall"), _IFI_OVER_IWNE),
    ),
)
