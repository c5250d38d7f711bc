"""Claims of section 4.1, Figure 2: AUC by the share of the labels."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from dr_core.data.grades import PAPER_READING
from dr_core.models.setups import SETUPS
from dr_core.publish.paper.claim import (
    INITIALIZATIONS,
    TRAININGS,
    Claim,
    Estimate,
    by_data,
    estimate,
    label,
)
from dr_core.publish.paper.verdicts import ALL, MOST, Comparison


def _aucs(rows: pd.DataFrame) -> dict[tuple[str, int], Estimate]:
    """Set-up and percent -> AUC, the mean over seeds; with several seeds their spread counts as well as the eyes'."""
    found = {}
    rows = rows[rows["reading"] == PAPER_READING]
    for (setup, percent), part in rows.groupby(["setup", rows["percent"].astype(str)], sort=False):
        of_eyes = [estimate(*ends).error for ends in part[["value", "low", "high"]].to_numpy(float)]
        of_seeds = part["value"].var(ddof=1) / len(part) if len(part) > 1 else 0.0
        error = float(np.sqrt(np.mean(np.square(of_eyes)) + of_seeds))
        found[str(setup), int(str(percent))] = Estimate(float(part["value"].mean()), error)
    return found


def _compare(rows: pd.DataFrame, better: str, worse: Sequence[str]) -> Iterator[Comparison]:
    aucs = _aucs(rows)
    for percent in sorted({percent for _, percent in aucs}):
        for other in worse:
            if (better, percent) in aucs and (other, percent) in aucs:
                name = f"{label(better)} - {label(other)}, {percent} %"
                yield aucs[better, percent].minus(aucs[other, percent]).compared(name)


def _best(rows: pd.DataFrame) -> Iterator[Comparison]:
    return _compare(rows, "ifi_cl", [setup for setup in SETUPS if setup != "ifi_cl"])


def _second(rows: pd.DataFrame) -> Iterator[Comparison]:
    return _compare(rows, "ifi_fs", ["iwne_fs", "iwne_cl"])


def _losses(rows: pd.DataFrame) -> Iterator[Comparison]:
    """How much more AUC is lost from all labels to the fewest without ImageNet."""
    aucs = _aucs(rows)
    shares = sorted({percent for _, percent in aucs})
    for scratch, imagenet in INITIALIZATIONS if len(shares) > 1 else ():
        if all((setup, share) in aucs for setup in (scratch, imagenet) for share in (shares[0], shares[-1])):
            lost = [aucs[setup, shares[-1]].minus(aucs[setup, shares[0]]) for setup in (scratch, imagenet)]
            name = f"loss of {label(scratch)} - loss of {label(imagenet)}, {shares[-1]} to {shares[0]} %"
            yield lost[0].minus(lost[1]).compared(name)


def _self_supervision(rows: pd.DataFrame) -> Iterator[Comparison]:
    full = rows[rows["percent"] == rows["percent"].max()]
    for supervised, contrastive in TRAININGS:
        yield from _compare(full, contrastive, [supervised])


def _same_ranking(rows: pd.DataFrame) -> Mapping[str, Sequence[Comparison]]:
    """Pairs that are clearly ordered on the first data set, and how they come out on each other one."""
    by_set = {str(data): _aucs(part) for data, part in rows.groupby("data", sort=False)}
    if len(by_set) < 2:
        return dict.fromkeys(by_set, ())
    (first, aucs), *others = by_set.items()
    return {
        f"{first}, {other}": tuple(
            theirs[better].minus(theirs[worse]).compared(f"{_name(better)} - {_name(worse)} on {other}")
            for better, worse in _ordered_pairs(aucs)
            if better in theirs and worse in theirs
        )
        for other, theirs in others
    }


def _name(key: tuple[str, int]) -> str:
    return f"{label(key[0])} {key[1]} %"


def _ordered_pairs(aucs: Mapping[tuple[str, int], Estimate]) -> Iterator[tuple[tuple[str, int], tuple[str, int]]]:
    for first, second in combinations(aucs, 2):
        speaks = aucs[first].minus(aucs[second]).compared("").speaks() if first[1] == second[1] else 0
        if speaks:
            yield (first, second) if speaks > 0 else (second, first)


CLAIMS = (
    Claim(
        key="ifi_cl_best",
        place="Figure 2",
        section="4.1",
        statement="IFI-CL has the best AUC at every fraction of the labels.",
        paper="said in words, drawn in Figure 2",
        table="fractions",
        compare=lambda rows: by_data(rows, _best),
        rule=ALL,
    ),
    Claim(
        key="ifi_fs_second",
        place="Figure 2",
        section="4.1",
        statement="IFI-FS follows: its AUC is above both IWNE models at every fraction.",
        paper="said in words, drawn in Figure 2",
        table="fractions",
        compare=lambda rows: by_data(rows, _second),
        rule=ALL,
    ),
    Claim(
        key="iwne_loses_more",
        place="Figure 2",
        section="4.1",
        statement="With fewer labels IWNE loses more AUC than IFI.",
        paper="“IWNE models deteriorate in performance, IFI models show only a marginal drop”",
        table="fractions",
        compare=lambda rows: by_data(rows, _losses),
        rule=ALL,
    ),
    Claim(
        key="self_supervision_helps",
        place="Figure 2",
        section="5",
        statement="With all labels self-supervision raises the AUC: CL is above FS, from scratch and from ImageNet.",
        paper="said in words, drawn in Figure 2",
        table="fractions",
        compare=lambda rows: by_data(rows, _self_supervision),
        rule=ALL,
    ),
    Claim(
        key="same_ranking",
        place="Figure 2",
        section="4.1",
        statement="The ranking on the external test set is largely that on the first one.",
        paper="“largely consistent” between EyePACS and Messidor-2",
        table="fractions",
        compare=_same_ranking,
        rule=MOST,
    ),
)
