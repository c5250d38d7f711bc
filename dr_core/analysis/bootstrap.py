"""Intervals by drawing patients with replacement: many draws at once, the two eyes of a patient always together."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from dr_core.seeds import numpy_generator

_BLOCK = 32
"""Draws that are worked on at once: few enough for the processor's cache."""


@dataclass(frozen=True)
class PatientDraws:
    """How often each patient was drawn.

    Attributes:
        patient: Int (N,), number of the patient of each eye.
        times: Float32 (P, 1 + D); the first column is the data as they are, each patient once.
    """

    patient: np.ndarray
    times: np.ndarray

    def table(self, group: np.ndarray, groups: int, values: np.ndarray | None = None) -> csr_array:
        """What each patient adds to each group of eyes; times `times` it gives the sums in every draw.

        Args:
            group: Int (N,), the group of each eye, 0..groups-1.
            groups: Number of groups.
            values: Float (N,), what is summed; None counts eyes.

        Returns:
            Sparse (groups, P).
        """
        # whole numbers are exact in float32 up to 2^24 eyes
        weights = np.ones(len(group), np.float32) if values is None else values.astype(np.float64)
        return csr_array((weights, (group, self.patient)), shape=(groups, len(self.times)))

    def apply(self, statistic: Callable[..., np.ndarray], *tables: csr_array, threads: int = 2) -> np.ndarray:
        """Compute a statistic in every draw, block by block.

        Args:
            statistic: Of the sums by each table, each (groups, d), gives float (..., d).
            tables: Made by `table`.
            threads: Threads that work side by side.

        Returns:
            Float (..., 1 + D).
        """

        def compute(start: int) -> np.ndarray:
            times = np.ascontiguousarray(self.times[:, start : start + _BLOCK])
            return statistic(*(table @ times for table in tables))

        with ThreadPoolExecutor(threads) as pool:
            return np.concatenate(list(pool.map(compute, range(0, self.times.shape[1], _BLOCK))), axis=-1)


def sample_patients(patients: np.ndarray, *, draws: int = 1000, seed: int = 0) -> PatientDraws:
    """Draw patients with replacement.

    Args:
        patients: Anything (N,); equal values are one patient.
        draws: Number of draws D.
        seed: Seed of the draws.

    Source: Efron and Tibshirani 1993, chapter 8 (whatever belongs together is drawn together).
    """
    _, patient = np.unique(np.asarray(patients), return_inverse=True)
    number = int(patient.max()) + 1 if len(patient) else 0
    generator = numpy_generator(seed, "bootstrap")
    times = np.ones((number, draws + 1), np.float32)
    for column in range(1, draws + 1):
        times[:, column] = np.bincount(generator.integers(number, size=number), minlength=number)
    return PatientDraws(patient, times)


def bootstrap_medians(values: np.ndarray, draws: PatientDraws) -> np.ndarray:
    """Median over eyes in every draw, float64 (1 + D,): the middle of the values, each as often as it was drawn.

    Args:
        values: Float (N,), a value for each eye.
        draws: Draws of the patients of these eyes.

    Source: Efron and Tibshirani 1993, chapter 6.
    """
    order = np.argsort(values, kind="stable")
    ordered = np.asarray(values, np.float64)[order]
    upto = np.cumsum(draws.times[draws.patient[order]], axis=0)  # (N, 1 + D)
    number = upto[-1]
    middle = [np.argmax(upto > np.floor(rank), axis=0) for rank in ((number - 1) / 2, number / 2)]
    medians: np.ndarray = (ordered[middle[0]] + ordered[middle[1]]) / 2
    return medians


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Value and 95 % percentile interval of (1 + D,) values, of which the first is that of the data: low = q_2.5.

    Draws in which the statistic does not exist (NaN) are left out; `warn_dropped` says how many.

    Source: Efron and Tibshirani 1993, chapter 13.
    """
    usable = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or len(usable) == 0:
        return float(values[0]), float("nan"), float("nan")
    low, high = np.percentile(usable, [2.5, 97.5])
    return float(values[0]), float(low), float(high)
