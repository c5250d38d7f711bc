"""Calibration: turning a model's probabilities into those that hold on other eyes, from labeled eyes of that kind."""

import json
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit, softmax

from dr_core.errors import InputError
from dr_core.registry import Registry

LEAST = 1e-6
"""Probabilities are kept this far from 0 and 1 before their logarithm is taken."""


@dataclass(frozen=True, kw_only=True)
class FittedMap:
    """A fitted map from probabilities to calibrated ones; its fields are its parameters."""

    @abstractmethod
    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrate, float64 of the same shape."""

    def to_json(self) -> str:
        """The parameters as JSON, from which the method's `read` rebuilds it."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, kw_only=True)
class BinaryMap(FittedMap):
    """logit(q) = slope logit(p) + offset: temperature scaling where the offset is 0, else Platt scaling."""

    slope: float = 1.0
    offset: float = 0.0

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrate scores, float (...), 0..1."""
        if (self.slope, self.offset) == (1.0, 0.0):
            return np.asarray(probabilities, np.float64)
        result: np.ndarray = expit(self.slope * _logit(probabilities) + self.offset)
        return result


@dataclass(frozen=True, kw_only=True)
class StepMap(FittedMap):
    """Isotonic regression: linear between knots, constant beyond them."""

    knots: tuple[float, ...]
    values: tuple[float, ...]

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrate scores, float (...), 0..1."""
        result: np.ndarray = np.interp(probabilities, self.knots, self.values)
        return result


@dataclass(frozen=True, kw_only=True)
class GradesMap(FittedMap):
    """q = softmax(w_k log p_k + b_k): temperature scaling where all w are 1 / T and b = 0, else vector scaling."""

    weights: tuple[float, ...]
    offsets: tuple[float, ...]

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrate the softmax over the grades, float (..., K)."""
        logs = np.log(np.clip(probabilities, LEAST, 1))
        result: np.ndarray = softmax(np.array(self.weights) * logs + np.array(self.offsets), axis=-1)
        return result


@dataclass(frozen=True, kw_only=True)
class CalibrationMethod:
    """A method.

    Attributes:
        name: Name in tables.
        label: Name for people.
        of_grades: Whether it calibrates the five grades as a whole, or the score of one reading.
        fit: From probabilities, float (N,) or (N, 5), and labels, bool (N,) or int (N,), to the fitted map.
        read: From the parameters of a fitted map to the map.
        source: Where it comes from.
    """

    name: str
    label: str
    of_grades: bool
    fit: Callable[[np.ndarray, np.ndarray], FittedMap]
    read: Callable[[Any], FittedMap]
    source: str


def _logit(probabilities: np.ndarray) -> np.ndarray:
    result: np.ndarray = logit(np.clip(np.asarray(probabilities, np.float64), LEAST, 1 - LEAST))
    return result


def fit_temperature(scores: np.ndarray, labels: np.ndarray) -> BinaryMap:
    """Fit q = sigma(logit(p) / T) by the least log loss.

    Args:
        scores: Float (N,), 0..1.
        labels: Bool (N,).

    Source: Guo et al. 2017, ICML, section 4.2, for two classes.
    """
    from sklearn.linear_model import LogisticRegression  # costs a second, which no page waits for

    model = LogisticRegression(C=np.inf, fit_intercept=False).fit(_logit(scores)[:, None], labels)
    return BinaryMap(slope=max(float(model.coef_[0, 0]), 0.0))


def fit_platt(scores: np.ndarray, labels: np.ndarray) -> BinaryMap:
    """Fit q = sigma(a logit(p) + b) by the least log loss; a falling map is replaced by the prevalence.

    Args:
        scores: Float (N,), 0..1.
        labels: Bool (N,).

    Source: Platt 1999, Advances in Large Margin Classifiers, pages 61-74; on the logit, as Guo et al. 2017.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=np.inf).fit(_logit(scores)[:, None], labels)
    slope = float(model.coef_[0, 0])
    if slope <= 0:
        return BinaryMap(slope=0.0, offset=float(_logit(np.asarray(labels, np.float64).mean())))
    return BinaryMap(slope=slope, offset=float(model.intercept_[0]))


def fit_isotonic(scores: np.ndarray, labels: np.ndarray) -> StepMap:
    """Fit the rising map of least squares, min over rising f of sum over i of (y_i - f(p_i))^2.

    Values are kept 1 / (N + 2) away from 0 and 1 (the rule of succession), so that no eye is called certain.

    Args:
        scores: Float (N,), 0..1.
        labels: Bool (N,).

    Source: Zadrozny and Elkan 2002, KDD, pages 694-699.
    """
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(out_of_bounds="clip").fit(scores, np.asarray(labels, np.float64))
    least = 1 / (len(scores) + 2)
    values = np.clip(model.y_thresholds_, least, 1 - least)
    return StepMap(knots=tuple(map(float, model.X_thresholds_)), values=tuple(map(float, values)))


def fit_grade_temperature(probabilities: np.ndarray, grades: np.ndarray) -> GradesMap:
    """Fit q = softmax(log p / T) by the least log loss.

    Args:
        probabilities: Float (N, K).
        grades: Int (N,).

    Source: Guo et al. 2017, ICML, equation 9.
    """
    logs, rows = np.log(np.clip(probabilities, LEAST, 1)), np.arange(len(grades))

    def loss(parameters: np.ndarray) -> float:
        return -float(log_softmax(np.exp(parameters[0]) * logs, axis=1)[rows, grades].mean())

    weight = float(np.exp(minimize(loss, np.zeros(1), method="Nelder-Mead").x[0]))
    classes = probabilities.shape[1]
    return GradesMap(weights=(weight,) * classes, offsets=(0.0,) * classes)


def fit_vector(probabilities: np.ndarray, grades: np.ndarray) -> GradesMap:
    """Fit q = softmax(w log p + b), a weight w_k >= 0 and an offset b_k for each grade, by the least log loss.

    A penalty of 1 / N on the squared distance from w = 1, b = 0 keeps grades that hardly occur where they were.

    Args:
        probabilities: Float (N, K).
        grades: Int (N,).

    Source: Guo et al. 2017, ICML, section 4.2 (vector scaling); the penalty is ours.
    """
    logs, rows = np.log(np.clip(probabilities, LEAST, 1)), np.arange(len(grades))
    classes, hits = logs.shape[1], np.eye(logs.shape[1])[grades]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, offsets = np.split(parameters, 2)
        found = log_softmax(weights * logs + offsets, axis=1)
        wrong = (np.exp(found) - hits) / len(grades)
        away = parameters - start
        value = -float(found[rows, grades].mean()) + float(away @ away) / len(grades)
        return value, np.concatenate([(wrong * logs).sum(axis=0), wrong.sum(axis=0)]) + 2 * away / len(grades)

    start = np.concatenate([np.ones(classes), np.zeros(classes)])
    bounds = [(0, None)] * classes + [(None, None)] * classes
    weights, offsets = np.split(minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x, 2)
    return GradesMap(weights=tuple(map(float, weights)), offsets=tuple(map(float, offsets)))


RAW = "raw"
"""Name of the method that changes nothing."""

CALIBRATION_METHODS: Registry[CalibrationMethod] = Registry(
    "calibration method",
    (
        CalibrationMethod(
            name=RAW,
            label="not calibrated",
            of_grades=False,
            fit=lambda scores, labels: BinaryMap(),
            read=lambda values: BinaryMap(**values),
            source="the model's own softmax",
        ),
        CalibrationMethod(
            name="temperature",
            label="temperature",
            of_grades=False,
            fit=fit_temperature,
            read=lambda values: BinaryMap(**values),
            source="Guo et al. 2017",
        ),
        CalibrationMethod(
            name="platt",
            label="Platt",
            of_grades=False,
            fit=fit_platt,
            read=lambda values: BinaryMap(**values),
            source="Platt 1999",
        ),
        CalibrationMethod(
            name="isotonic",
            label="isotonic",
            of_grades=False,
            fit=fit_isotonic,
            read=lambda values: StepMap(knots=tuple(values["knots"]), values=tuple(values["values"])),
            source="Zadrozny and Elkan 2002",
        ),
        CalibrationMethod(
            name="raw grades",
            label="not calibrated",
            of_grades=True,
            fit=lambda probabilities, grades: GradesMap(
                weights=(1.0,) * probabilities.shape[1], offsets=(0.0,) * probabilities.shape[1]
            ),
            read=lambda values: GradesMap(weights=tuple(values["weights"]), offsets=tuple(values["offsets"])),
            source="the model's own softmax",
        ),
        CalibrationMethod(
            name="grade temperature",
            label="temperature",
            of_grades=True,
            fit=fit_grade_temperature,
            read=lambda values: GradesMap(weights=tuple(values["weights"]), offsets=tuple(values["offsets"])),
            source="Guo et al. 2017",
        ),
        CalibrationMethod(
            name="vector",
            label="vector scaling",
            of_grades=True,
            fit=fit_vector,
            read=lambda values: GradesMap(weights=tuple(values["weights"]), offsets=tuple(values["offsets"])),
            source="Guo et al. 2017",
        ),
    ),
)
"""The methods, those of one reading's score first; in each group the one that changes nothing first."""


def methods_of(*, of_grades: bool) -> Iterator[CalibrationMethod]:
    """The methods for the grades as a whole, or for the score of a reading."""
    return (method for method in CALIBRATION_METHODS.values() if method.of_grades == of_grades)


def read_map(method: str, parameters: str) -> FittedMap:
    """Rebuild a fitted map from a table's row.

    Raises:
        InputError: If there is no such method, or the parameters are not its own.
    """
    try:
        return CALIBRATION_METHODS.find(method).read(json.loads(parameters))
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"The stored calibration {method!r} is damaged; calibrate the study again.") from error
