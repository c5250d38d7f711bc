"""Attribution through networks that are no ResNets: rules by their own formulas, and what each network may be asked."""

import functools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import IntegratedGradients, LayerGradCam
from torch import nn
from zennit.rules import Gamma

from dr_core.analysis.attribution import RULES, Explainer
from dr_core.analysis.attribution.attn_lrp import LINEAR_GAMMA, PATCH_GAMMA, AttnLrp, _linear_gamma
from dr_core.analysis.attribution.libraries import INCOMPLETE
from dr_core.errors import InputError
from dr_core.models.architectures import build_backbone, build_network
from dr_core.models.heads import wrap_head
from dr_core.models.structure import list_units, stage_of

SIZES = {"timm/test_vit": 160, "timm/test_vit2": 64, "timm/test_convnext": 64, "timm/test_efficientnet": 64}
SERVED = {
    "timm/test_vit": {"attn_lrp", "attn_lrp_gamma", "attention_rollout", "grad_cam", "layer_cam"},
    "timm/test_convnext": {"attn_lrp", "attn_lrp_gamma", "grad_cam", "layer_cam"},
    "timm/test_efficientnet": {"attn_lrp", "attn_lrp_gamma", "grad_cam", "layer_cam"},
    "resnet18": {*RULES} - {"attention_rollout"},
}
EVERYWHERE = {"gradient_x_input", "smooth_grad", "integrated_gradients", "occlusion"}


@functools.cache
def network(arch):
    return build_network(arch, 5, seed=1, size=SIZES.get(arch, 64)).eval().double()


def eyes(arch, count=1):
    size = SIZES.get(arch, 64)
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("arch", SERVED)
def test_each_architecture_is_served_by_the_methods_that_fit_it(arch):
    fitting = {name for name, rule in RULES.items() if rule.why_unfit(network(arch)) is None}
    assert fitting == SERVED[arch] | EVERYWHERE


@pytest.mark.parametrize("arch", SIZES)
@pytest.mark.parametrize("rule", ["attn_lrp", "attn_lrp_gamma", "grad_cam", "layer_cam"])
def test_a_map_is_of_the_eye_and_alike_alone_and_in_a_batch(arch, rule):
    x = eyes(arch, 2)
    explainer = Explainer(network(arch), rule)
    found = explainer.attribute(x, torch.tensor([3, 1]))
    assert found.shape == x.shape
    assert torch.isfinite(found).all()
    assert torch.allclose(found[1:], explainer.attribute(x[1:], 1), rtol=1e-6, atol=1e-9)


def test_the_network_stays_as_it_was():
    model = build_network("timm/test_vit2", 5, seed=1, size=64).eval().double()
    before = model(eyes("timm/test_vit2"))
    Explainer(model, "attn_lrp_gamma").attribute(eyes("timm/test_vit2"), 3)
    assert torch.equal(model(eyes("timm/test_vit2")), before)
    assert not any("forward" in vars(module) for module in model.modules())


def without_biases(arch):
    model = build_network(arch, 5, seed=1, size=SIZES[arch]).eval().double()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("bias") or name in ("pos_embed", "cls_token", "reg_token"):
                weight.zero_()
    return model


@pytest.mark.parametrize("rule", ["attn_lrp", "attn_lrp_gamma"])
@pytest.mark.parametrize("arch", ["timm/test_convnext", "timm/test_efficientnet"])
def test_relevance_is_conserved_without_biases(arch, rule):
    found = Explainer(without_biases(arch), rule).attribute(eyes(arch, 2), 3)
    assert found.sum(dim=(1, 2, 3)).tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


@pytest.mark.parametrize("gamma", [False, True])
@pytest.mark.parametrize("arch", ["timm/test_vit", "timm/test_vit2", "timm/densenet121"])
def test_what_is_not_passed_on_is_what_biases_and_softmax_absorb(arch, gamma, monkeypatch):
    """The guard adds up what arrives; here to rounding, where it refuses from 5 % on."""
    monkeypatch.setattr("dr_core.analysis.attribution.attn_lrp.CONSERVED_WITHIN", 1e-6)
    model = build_network(arch, 5, seed=1, size=SIZES.get(arch, 64)).eval().double()
    AttnLrp(model, gamma)(eyes(arch), RULES["attn_lrp"].start(torch.tensor([3])))


class Identity(nn.Module):
    """Bears the name of a known layer, and loses half of the relevance."""

    def forward(self, x):
        return x + x.detach()


def test_relevance_that_is_lost_on_the_way_is_refused():
    model = build_network("timm/test_convnext", 5, seed=1).eval()
    model.norm_pre = Identity()
    with pytest.raises(InputError, match=r"No answer from AttnLRP, because of relevance 1 .* arrives in this ConvNeXt"):
        Explainer(model, "attn_lrp").attribute(eyes("timm/test_convnext").float(), 3)


def test_an_attention_that_is_not_known_is_named():
    model = build_network("timm/test_vit3", 5, size=160).eval()
    with pytest.raises(InputError, match=r"has layers that AttnLRP has no rule for .*AttentionPoolLatent"):
        Explainer(model, "attn_lrp")


@pytest.mark.parametrize("kind", ["linear", "convolution"])
def test_the_gamma_rule_equals_zennits(kind):
    torch.manual_seed(0)
    layer = nn.Linear(7, 4) if kind == "linear" else nn.Conv2d(3, 4, 3, stride=2, padding=1)
    layer = layer.double()
    x = torch.randn(5, 7, dtype=torch.float64) if kind == "linear" else torch.randn(2, 3, 9, 9, dtype=torch.float64)
    x.requires_grad_(True)
    rule = Gamma(gamma=LINEAR_GAMMA if kind == "linear" else PATCH_GAMMA, stabilizer=1e-300)
    handles = rule.register(layer)
    outgoing = layer(x)
    start = torch.randn(outgoing.shape, dtype=torch.float64)
    (expected,) = torch.autograd.grad(outgoing, x, start)
    handles.remove()
    outgoing = _linear_gamma(layer, x)
    (slope,) = torch.autograd.grad(outgoing, x, start / outgoing.detach())
    assert torch.allclose(x * slope, expected, rtol=1e-8, atol=1e-12)


def test_attn_lrp_equals_lxt(monkeypatch):
    """Every operation of a ViT by the authors' own functions, which need no more than PyTorch."""
    lxt = pytest.importorskip("lxt.explicit.functional", reason="install it by: pip install --no-deps lxt==2.1")
    rules = pytest.importorskip("lxt.explicit.rules")
    arch, tiny = "timm/test_vit", 1e-12
    for module in (lxt, rules):  # its stabilizer of 1e-6 is added whatever the sign; the rules are compared, not that
        monkeypatch.setattr(module, "_stabilize", lambda values, *_args, **_options: values + 1e-12)
    model = network(arch)
    x = eyes(arch).requires_grad_(True)
    linear = functools.partial(lxt.linear_epsilon, epsilon=tiny)
    patches = rules.epsilon_lrp(model.patch_embed.proj, tiny, x).flatten(2).transpose(1, 2)
    token = model.cls_token.detach().expand(len(x), -1, -1)
    z = lxt.add2(torch.cat([token, patches], dim=1), model.pos_embed.detach(), False, tiny)
    for block in model.blocks:
        normed = lxt.layer_norm(z, block.norm1.weight.detach(), block.norm1.bias.detach(), block.norm1.eps)
        qkv = linear(normed, block.attn.qkv.weight.detach(), block.attn.qkv.bias.detach())
        shape = (1, z.shape[1], 3, block.attn.num_heads, block.attn.head_dim)
        query, key, value = qkv.reshape(shape).permute(2, 0, 3, 1, 4).unbind(0)
        scaled = lxt.mul2(query, torch.tensor(block.attn.scale, dtype=torch.float64))
        shares = lxt.softmax(lxt.matmul(scaled, key.transpose(-2, -1), False, tiny), -1)
        mixed = lxt.matmul(shares, value, False, tiny).transpose(1, 2).reshape(z.shape)
        z = lxt.add2(z, linear(mixed, block.attn.proj.weight.detach(), block.attn.proj.bias.detach()), False, tiny)
        normed = lxt.layer_norm(z, block.norm2.weight.detach(), block.norm2.bias.detach(), block.norm2.eps)
        hidden = linear(normed, block.mlp.fc1.weight.detach(), block.mlp.fc1.bias.detach())
        active = rules.identity(F.gelu, hidden)
        z = lxt.add2(z, linear(active, block.mlp.fc2.weight.detach(), block.mlp.fc2.bias.detach()), False, tiny)
    z = lxt.layer_norm(z, model.norm.weight.detach(), model.norm.bias.detach(), model.norm.eps)[:, 0]
    logits = linear(z, model.head.weight.detach(), model.head.bias.detach())
    assert torch.allclose(logits, model(x), atol=1e-8)
    start = torch.zeros_like(logits)
    start[:, 3] = 1
    (expected,) = torch.autograd.grad(logits, x, start)
    found = Explainer(model, "attn_lrp").attribute(x.detach(), 3)
    assert float((found - expected).norm() / expected.norm()) < 1e-4


def test_grad_cam_equals_captums_on_a_resnet():
    model, x = build_backbone("resnet18", 5, seed=1).eval(), eyes("resnet18").float()
    small = LayerGradCam(model, model.layer4).attribute(x, target=3, relu_attributions=True)
    expected = F.interpolate(small, (64, 64), mode="bilinear", align_corners=False)
    found = Explainer(model, "grad_cam").attribute(x, 3).sum(dim=1, keepdim=True)
    assert torch.allclose(found, expected.detach(), rtol=1e-4, atol=1e-7)


def test_grad_cam_of_tokens_is_of_those_that_enter_the_last_attention():
    arch = "timm/test_vit"
    model, x, kept = network(arch), eyes(arch).requires_grad_(True), []
    handle = model.blocks[-1].norm1.register_forward_hook(lambda *call: kept.append(call[2]))
    logit = model(x)[0, 3]
    handle.remove()
    (slope,) = torch.autograd.grad(logit, kept[0])
    cam = (kept[0][0, 1:] * slope[0, 1:].mean(dim=0)).sum(dim=1).reshape(1, 1, 10, 10).relu()
    expected = F.interpolate(cam, (160, 160), mode="bilinear", align_corners=False)
    found = Explainer(model, "grad_cam").attribute(x.detach(), 3).sum(dim=1, keepdim=True)
    assert torch.allclose(found, expected.detach())


def test_attention_rollout_by_hand_and_alike_for_every_grade():
    arch = "timm/test_vit"
    model, x, kept = network(arch), eyes(arch), []
    for block in model.blocks:
        block.attn.fused_attn = False
    handles = [b.attn.attn_drop.register_forward_hook(lambda *call: kept.append(call[2])) for b in model.blocks]
    model(x)
    for handle in handles:
        handle.remove()
    rows = np.eye(101)
    for attention in kept:
        rows = (0.5 * attention[0].mean(dim=0).detach().numpy() + 0.5 * np.eye(101)) @ rows
    assert rows.sum(axis=1) == pytest.approx(np.ones(101))
    small = torch.tensor(rows[0, 1:].reshape(1, 1, 10, 10))
    expected = F.interpolate(small, (160, 160), mode="bilinear", align_corners=False)
    explainer = Explainer(model, "attention_rollout")
    found = explainer.attribute(x, 3)
    assert torch.allclose(found.sum(dim=1, keepdim=True), expected)
    assert torch.equal(found, explainer.attribute(x, 0))


@pytest.mark.parametrize("arch", [*SIZES, "resnet18"])
def test_integrated_gradients_are_complete(arch):
    """Also behind a layer norm, which changes all its slope close to the path's beginning."""
    model, x = network(arch), eyes(arch)
    found = Explainer(model, "integrated_gradients").attribute(x, 3)
    with torch.no_grad():
        change = (model(x) - model(torch.zeros_like(x)))[:, 3]
    assert found.sum(dim=(1, 2, 3)).tolist() == pytest.approx(change.tolist(), rel=INCOMPLETE)


def test_integrated_gradients_equal_captums_of_many_steps():
    model, x = network("timm/test_efficientnet"), eyes("timm/test_efficientnet")
    found = Explainer(model, "integrated_gradients").attribute(x, 3)
    captums = IntegratedGradients(model).attribute(x, target=3, n_steps=300, internal_batch_size=50)
    assert float((found - captums).norm() / captums.norm()) < 0.02


def test_a_head_of_another_kind_keeps_its_maps():
    model = wrap_head(build_backbone("resnet18", 4, seed=1), "cumulative").eval()
    assert Explainer(model, "grad_cam").attribute(eyes("resnet18").float(), 0).abs().sum() > 0
    assert list(list_units(model)) == list(list_units(model.network))
    assert stage_of(model, "network.layer3.1.conv2") == "layer3"
    behind = wrap_head(network("timm/test_convnext"), "cumulative")
    assert stage_of(behind, "network.stages.1.blocks.0.mlp.fc1") == "stages.1"


@pytest.mark.parametrize(
    ("arch", "layer", "stage"),
    [
        ("resnet18", "bn1", "conv1"),
        ("resnet18", "layer3.1.conv2", "layer3"),
        ("timm/test_convnext", "stages.1.blocks.0.mlp.fc1", "stages.1"),
        ("timm/test_vit", "blocks.5.attn.qkv", "blocks.5"),
        ("timm/test_vit", "norm", "head"),
        ("timm/test_vit", "head", "head"),
        ("timm/test_vit", "patch_embed.proj", "patch_embed"),
    ],
)
def test_a_layer_belongs_to_a_part_of_its_network(arch, layer, stage):
    assert stage_of(network(arch), layer) == stage
