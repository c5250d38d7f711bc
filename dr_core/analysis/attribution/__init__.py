"""What a model looked at: relevance of each input value for one output neuron."""

from dr_core.analysis.attribution.explainer import Explainer
from dr_core.analysis.attribution.rules import RULES, AttributionRule

__all__ = ["RULES", "AttributionRule", "Explainer"]
