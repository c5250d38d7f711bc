"""What a model looked at: relevance of each input value for one output neuron."""

from dr_core.analysis.attribution.explainer import RULES, Explainer, Rule

__all__ = ["RULES", "Explainer", "Rule"]
