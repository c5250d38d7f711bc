"""The registry of attribution methods: what each is called, needs and keeps, and how it is made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from zennit.composites import (
    EpsilonGammaBox,
    EpsilonPlus,
    ExcitationBackprop,
    GuidedBackprop,
    LayerMapComposite,
    layer_map_base,
)
from zennit.core import Composite
from zennit.rules import AlphaBeta, Epsilon, Gamma, ZPlus
from zennit.torchvision import ResNetCanonizer
from zennit.types import Linear

from dr_core.analysis.attribution import feature_maps, libraries
from dr_core.analysis.attribution.attn_lrp import LINEAR_GAMMA, PATCH_GAMMA, AttnLrp
from dr_core.analysis.attribution.libraries import Attribute, MakeComposite, Start, ZennitRule
from dr_core.analysis.attribution.needs import LACKS, Need
from dr_core.registry import Registry

Family = Literal["LRP", "AttnLRP", "gradient", "feature maps", "perturbation"]


@dataclass(frozen=True, kw_only=True)
class AttributionRule:
    """An attribution method.

    Attributes:
        name: Key in `RULES`.
        label: Name for people, as the papers write it.
        help: One sentence that says what its map shows.
        family: What kind of method it is.
        source: Where it was published.
        signed: Whether its relevance has signs that mean something.
        conserves: Whether relevance is passed on whole: 1 at the target arrives as 1 less what biases absorb.
        needs: What it asks of the network.
        passes: About how many forward passes one map costs.
        contrast: Whether it starts from the difference of the target grade and the mean of the others.
        make: Builds it for a private network.
        composite: Rules by layer, for those that zennit propagates.
    """

    name: str
    label: str
    help: str
    family: Family
    source: str
    signed: bool
    needs: Need
    passes: int
    make: Callable[[nn.Module], Attribute]
    conserves: bool = False
    contrast: bool = False
    composite: MakeComposite | None = None

    def why_unfit(self, model: nn.Module) -> str | None:
        """Say what a network lacks for this rule, or None if it fits."""
        return LACKS[self.needs](model)

    def start(self, targets: Tensor) -> Start:
        """What the relevance starts from: 1 at the target; with `contrast`, minus its share at every other output.

        Source: Gu et al. 2018, arXiv:1812.02100, CLRP1 (without its last cut at zero, which a pooling does).
        """

        def start(logits: Tensor) -> Tensor:
            asked = targets.repeat(len(logits) // len(targets))  # captum asks about copies of the whole batch
            weights = torch.zeros_like(logits).scatter_(1, asked[:, None], 1.0)
            if self.contrast and logits.shape[1] > 1:
                weights -= (1 - weights) / (logits.shape[1] - 1)
            return weights

        return start


def _by_layer(*rules: tuple[object, Callable[..., object]]) -> MakeComposite:
    """A composite that gives each kind of layer one rule; the rest as zennit has it."""

    def make(images: Tensor, zero_params: list[str] | None) -> Composite:
        layers = [(kind, rule(zero_params=zero_params)) for kind, rule in rules]
        return LayerMapComposite([*layer_map_base(), *layers], canonizers=[ResNetCanonizer()])

    return make


def _gamma_box(images: Tensor, zero_params: list[str] | None) -> Composite:
    low, high = images.amin(dim=(0, 2, 3), keepdim=True), images.amax(dim=(0, 2, 3), keepdim=True)
    low, high = low.expand_as(images[:1]), high.expand_as(images[:1])
    return EpsilonGammaBox(low=low, high=high, zero_params=zero_params, canonizers=[ResNetCanonizer()])


def _epsilon_plus(images: Tensor, zero_params: list[str] | None) -> Composite:
    return EpsilonPlus(zero_params=zero_params, canonizers=[ResNetCanonizer()])


def _excitation(images: Tensor, zero_params: list[str] | None) -> Composite:
    return ExcitationBackprop(zero_params=["bias"], canonizers=[ResNetCanonizer()])


def _guided(images: Tensor, zero_params: list[str] | None) -> Composite:
    return GuidedBackprop()


def _alpha2_beta1(**options: object) -> AlphaBeta:
    return AlphaBeta(alpha=2.0, beta=1.0, **options)


Z_PLUS = _by_layer((Linear, ZPlus))
"""LRP alpha1-beta0 by zennit, for networks that the fast engine does not know, and as its reference."""


def _lrp(name: str, label: str, help: str, source: str, composite: MakeComposite, **about: bool) -> AttributionRule:
    """A rule of zennit."""
    return AttributionRule(
        name=name,
        label=label,
        help=help,
        family="LRP",
        source=source,
        needs="layers known to LRP",
        passes=4,
        make=lambda model: ZennitRule(model, composite),
        composite=composite,
        **about,
    )


def _attn_lrp(name: str, label: str, help: str, *, gamma: bool) -> AttributionRule:
    return AttributionRule(
        name=name,
        label=label,
        help=help,
        family="AttnLRP",
        source="Achtibat et al. 2024, ICML, arXiv:2402.05602",
        signed=True,
        needs="layers known to AttnLRP",
        passes=4,
        make=lambda model: AttnLrp(model, gamma),
    )


_RULES = (
    _lrp(
        "alpha1_beta0",
        "LRP alpha1-beta0",
        "The paper's: relevance flows back along positive contributions alone.",
        "Bach et al. 2015, PLoS ONE 10(7):e0130140, eq. 60",
        Z_PLUS,
        signed=False,
        conserves=True,
    ),
    _lrp(
        "contrastive",
        "contrastive LRP",
        "LRP alpha1-beta0 of this grade minus the mean of the other grades: what speaks for this grade in particular.",
        "Gu et al. 2018, arXiv:1812.02100",
        Z_PLUS,
        signed=True,
        conserves=True,
        contrast=True,
    ),
    _lrp(
        "epsilon",
        "LRP epsilon",
        "Relevance flows back along all contributions, positive and negative, in every layer.",
        "Bach et al. 2015, PLoS ONE 10(7):e0130140, eq. 58",
        _by_layer((Linear, Epsilon)),
        signed=True,
    ),
    _lrp(
        "epsilon_plus",
        "LRP epsilon-plus",
        "Positive contributions in convolutions, all contributions in the last layer.",
        "Kohlbrenner et al. 2020, IJCNN, arXiv:1910.09840",
        _epsilon_plus,
        signed=True,
        conserves=True,
    ),
    _lrp(
        "gamma",
        "LRP gamma",
        "All contributions, positive ones strengthened by a quarter.",
        "Montavon et al. 2019, LNCS 11700, section 10.2.1",
        _by_layer((Linear, Gamma)),
        signed=True,
    ),
    _lrp(
        "epsilon_gamma_box",
        "LRP epsilon-gamma-box",
        "Positive contributions strengthened in convolutions; the first layer by the range of the pixel values.",
        "Montavon et al. 2019, LNCS 11700, table 10.1",
        _gamma_box,
        signed=True,
    ),
    _lrp(
        "alpha2_beta1",
        "LRP alpha2-beta1",
        "Positive contributions count twice, negative ones once against them.",
        "Bach et al. 2015, PLoS ONE 10(7):e0130140, eq. 60",
        _by_layer((Linear, _alpha2_beta1)),
        signed=True,
    ),
    _lrp(
        "excitation_backprop",
        "excitation backprop",
        "The chance that a winning neuron hands down to each input; one that only its bias activates hands none.",
        "Zhang et al. 2016, ECCV, arXiv:1608.00507, eq. 2",
        _excitation,
        signed=False,
        conserves=True,
    ),
    _attn_lrp(
        "attn_lrp",
        "AttnLRP",
        "LRP epsilon through attention, normalization and smooth activations, each with its own rule.",
        gamma=False,
    ),
    _attn_lrp(
        "attn_lrp_gamma",
        "AttnLRP gamma",
        f"AttnLRP with contributions of the output's own sign strengthened, by {PATCH_GAMMA} in convolutions and "
        f"{LINEAR_GAMMA} in linear layers.",
        gamma=True,
    ),
    AttributionRule(
        name="gradient_x_input",
        label="gradient x input",
        help="Slope of the output times the input value.",
        family="gradient",
        source="Shrikumar et al. 2016, arXiv:1605.01713",
        signed=True,
        needs="any network",
        passes=3,
        make=libraries.GradientTimesInput,
    ),
    AttributionRule(
        name="smooth_grad",
        label="SmoothGrad",
        help="Mean slope of the output over twenty noisy copies of the eye.",
        family="gradient",
        source="Smilkov et al. 2017, arXiv:1706.03825",
        signed=True,
        needs="any network",
        passes=3 * libraries.STEPS,
        make=libraries.SmoothGrad,
    ),
    AttributionRule(
        name="integrated_gradients",
        label="integrated gradients",
        help="Mean slope on the straight path from the mean color, times the input value.",
        family="gradient",
        source="Sundararajan et al. 2017, ICML, arXiv:1703.01365",
        signed=True,
        needs="any network",
        passes=3 * libraries.STEPS,
        make=libraries.IntegratedGradient,
    ),
    AttributionRule(
        name="guided_backprop",
        label="guided backpropagation",
        help="Gradient whose negative parts are cut at every ReLU.",
        family="gradient",
        source="Springenberg et al. 2015, arXiv:1412.6806",
        signed=True,
        needs="ReLU",
        passes=3,
        make=lambda model: ZennitRule(model, _guided),
    ),
    AttributionRule(
        name="grad_cam",
        label="Grad-CAM",
        help="Last feature maps weighted by their mean slope: coarse, a region rather than a lesion.",
        family="feature maps",
        source="Selvaraju et al. 2017, ICCV, arXiv:1610.02391",
        signed=False,
        needs="feature maps",
        passes=3,
        make=feature_maps.GradCam,
    ),
    AttributionRule(
        name="layer_cam",
        label="LayerCAM",
        help="Feature maps of an eighth of the eye's side, each position weighted by its own positive slope.",
        family="feature maps",
        source="Jiang et al. 2021, IEEE TIP 30:5875-5888",
        signed=False,
        needs="feature maps",
        passes=3,
        make=feature_maps.LayerCam,
    ),
    AttributionRule(
        name="attention_rollout",
        label="attention rollout",
        help="How much of each patch reaches the last layer by the attention alone; the same for every grade.",
        family="feature maps",
        source="Abnar and Zuidema 2020, ACL, arXiv:2005.00928",
        signed=False,
        needs="attention",
        passes=2,
        make=feature_maps.AttentionRollout,
    ),
    AttributionRule(
        name="occlusion",
        label="occlusion",
        help="Fall of the output when one of 14 x 14 windows of the eye is set to the mean color.",
        family="perturbation",
        source="Zeiler and Fergus 2014, ECCV, arXiv:1311.2901",
        signed=True,
        needs="any network",
        passes=libraries.WINDOWS**2,
        make=libraries.OcclusionWindows,
    ),
)

RULES: Registry[AttributionRule] = Registry("rule", _RULES)
"""The attribution methods by name, the paper's first."""
