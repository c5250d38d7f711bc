"""What the paper's own numbers imply, where that differs from its words: computed from the published numbers.

No study is needed for these; they stand beside the claims, so that nobody takes a claim that the paper's tables
contradict, or one that follows from another, for a finding of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import pandas as pd

from dr_core.analysis.distribution import top_share
from dr_core.publish.paper.claim import FOUR, INITIALIZATIONS, label
from dr_core.publish.paper.published import ALPHA, PARETO_80_20, table3
from dr_core.publish.paper.wording import write_share


@dataclass(frozen=True, kw_only=True)
class Implication:
    """A sentence that follows from the published numbers.

    Attributes:
        exhibit: Table or section whose numbers these are.
        claim: What the paper says.
        implied: What its numbers say.
        agrees: Whether both are compatible.
    """

    exhibit: str
    claim: str
    implied: str
    agrees: bool


def pareto_condition_number(alpha: float) -> float:
    """Eq. 1 of a Pareto law: the ratio of its 99.9th and 90th percentile.

    lambda_p = x_min (1 - p)^(-1 / alpha), so kappa = (0.001 / 0.1)^(-1 / alpha) = 100^(1 / alpha).

    Args:
        alpha: Shape of the law, above 0.

    Source: paper, equation 1 and section 4.2.3; quantiles of a Pareto law.
    """
    return float((0.001 / 0.1) ** (-1 / alpha))


@cache
def list_implications() -> tuple[Implication, ...]:
    """Everything that the published numbers say against, or instead of, the paper's words."""
    return _concentration(), _condition_numbers(), _consistently_higher(), _below_controls(), _ignores(), _follows()


def _concentration() -> Implication:
    shares = {setup: top_share(alpha) for setup, alpha in ALPHA.items()}
    least = [setup for setup in FOUR if ALPHA[setup] > PARETO_80_20]
    listed = ", ".join(f"{write_share(shares[setup], 0)} at {ALPHA[setup]} ({label(setup)})" for setup in least)
    unbounded = ", ".join(f"{ALPHA[setup]} ({label(setup)})" for setup in FOUR if ALPHA[setup] <= 1)
    more = all(shares[setup] > top_share(PARETO_80_20) for setup in least)
    return Implication(
        exhibit="Table 2, section 4.2.3",
        claim="Alpha above 1.16 means that the result comes from less than 20 % of the activations.",
        implied=f"A larger alpha means {'more' if more else 'less'} concentration: of a Pareto law the largest 20 % "
        f"hold {listed} and {write_share(top_share(PARETO_80_20), 0)} at {PARETO_80_20}; at {unbounded} the sum has no "
        "bound, the strongest concentration.",
        agrees=more,
    )


def _condition_numbers() -> Implication:
    numbers = {setup: pareto_condition_number(ALPHA[setup]) for setup in FOUR}
    listed = ", ".join(f"{label(setup)} {numbers[setup]:.0f}" for setup in FOUR)
    lower = all(numbers[imagenet] < numbers[scratch] for scratch, imagenet in INITIALIZATIONS)
    return Implication(
        exhibit="Table 2 against Figure 3a",
        claim="The condition number of IFI is much lower than that of IWNE, and the first layer follows a Pareto law.",
        implied=f"A Pareto law has eq. 1 = 100^(1/alpha): {listed}. That is {'the same' if lower else 'the reverse'} "
        f"order of "
        "Figure 3a, so Table 2's laws and Figure 3a cannot both describe the first layer.",
        agrees=lower,
    )


def _lrp() -> pd.DataFrame:
    rows = table3()
    return (
        rows[rows["method"] == "lrp"].set_index(["lesion", "score", "pooling", "statistic", "setup"])["value"].unstack()
    )


def _consistently_higher() -> Implication:
    wide = _lrp()
    higher = [wide[imagenet] > wide[scratch] for scratch, imagenet in INITIALIZATIONS]
    total, number = sum(int(part.sum()) for part in higher), 2 * len(wide)
    by_lesion = ", ".join(
        f"{lesion.replace('_', ' ')} {sum(int(part[lesion].sum()) for part in higher)} of {2 * len(wide.loc[lesion])}"
        for lesion in dict.fromkeys(wide.index.get_level_values("lesion"))
    )
    return Implication(
        exhibit="Table 3, section 4.4",
        claim="IFI models report consistently higher accuracies than their IWNE counterparts.",
        implied=f"In Table 3 IFI is above its counterpart in {total} of {number} numbers ({by_lesion}).",
        agrees=total == number,
    )


def _below_controls() -> Implication:
    rows = table3()
    wide = rows[rows["score"] == "recall"].pivot_table(
        index=["lesion", "setup", "pooling", "statistic"], columns="method", values="value"
    )
    below = int((wide["lrp"] < wide["random"]).sum())
    ends = dict.fromkeys(f"{end:.2f}" for end in (wide["random"].min(), wide["random"].max()))
    return Implication(
        exhibit="Table 3, equation 3",
        claim="Results similar to the random control mean that the model looks at random features.",
        implied=f"By RRA {below} of {len(wide)} heatmap rows lie below their random control ({wide['lrp'].min():.2f} "
        f"to {wide['lrp'].max():.2f} against {' to '.join(ends)}): worse than random, "
        "for every model and lesion. No reading of eq. 3 found so far gives both rows.",
        agrees=below == 0,
    )


def _ignores() -> Implication:
    rows = table3()
    rows = rows[(rows["setup"] == "iwne_fs") & (rows["score"] == "mass accuracy") & (rows["statistic"] == "mean")]
    wide = rows.pivot_table(index=["lesion", "pooling"], columns="method", values="value")
    small = wide.loc[["microaneurysms", "haemorrhages"]]
    ratios = (small["lrp"] / small["random"]).round(2)
    named = zip(ratios.index.to_frame(index=False).to_numpy(str), ratios, strict=True)
    listed = ", ".join(f"{lesion} {pooling} {ratio:.2f}" for (lesion, pooling), ratio in named)
    same = bool(ratios.between(0.8, 1.25).all())
    return Implication(
        exhibit="Table 3, section 4.4",
        claim="IWNE-FS is similar to the control on microaneurysms and haemorrhages; the findings are agnostic to the "
        "pooling.",
        implied=f"Its RMA over its control is {listed}: by l2_norm_sq it lies {'near' if same else 'well below'} the "
        f"control.",
        agrees=same,
    )


def _follows() -> Implication:
    between = (
        min(ALPHA[scratch] for scratch, _ in INITIALIZATIONS)
        > PARETO_80_20
        > max(ALPHA[imagenet] for _, imagenet in INITIALIZATIONS)
    )
    rows = table3()
    rows = rows[(rows["method"] == "random") & (rows["score"] == "mass accuracy") & (rows["statistic"] == "mean")]
    areas = rows.groupby("lesion")["value"].mean()
    share = areas["hard_exudates"] / areas["total"]
    return Implication(
        exhibit="Tables 2 and 3",
        claim="Several claims are listed one by one.",
        implied="They are not independent: alpha of IWNE above and of IFI below 1.16 "
        f"{'imply' if between else 'do not imply'} that IFI's is smaller; IFI above IWNE on microaneurysms and "
        f"haemorrhages contains "
        "the same claim on microaneurysms; FS above CL on the total repeats hard exudates, by the controls "
        f"{write_share(share, 0)} of its area.",
        agrees=True,
    )


def disagreements(implications: Sequence[Implication]) -> int:
    """How many of them differ from the paper's words."""
    return sum(not one.agrees for one in implications)
