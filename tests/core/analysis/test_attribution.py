"""The fast engine against zennit, which stays the reference; every rule; what must not happen to the model."""

import copy
import threading
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import convnext_tiny, densenet121, efficientnet_b0, mobilenet_v2, resnet18, vgg11_bn

from dr_core.analysis.attribution import RULES, Explainer
from dr_core.analysis.attribution.alpha1_beta0 import why_unknown
from dr_core.analysis.attribution.explainer import TOLERANCE
from dr_core.analysis.attribution.libraries import ZennitRule
from dr_core.analysis.attribution.rules import Z_PLUS
from dr_core.data.phantom import draw_phantom
from dr_core.errors import InputError
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import load_model
from dr_core.models.setups import SETUPS
from dr_core.study.folder import open_study
from dr_ui.shell.studies import DEMO


def shake(model, seed=0):
    """Batch norms of a network that has seen something, so that folding matters."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 1.5),
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.2, 0.2),
            ):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)
    return model.eval()


def build(name):
    if name == "resnet18":
        torch.manual_seed(0)
        return shake(resnet18(num_classes=5))
    return shake(build_backbone(name, 5, seed=1))


def inputs(count, size, dtype=torch.float32):
    """Inputs of both signs, as normalized eyes are."""
    views = [torch.from_numpy(draw_phantom(1 + n % 4, size, n).image) for n in range(count)]
    pixels = torch.stack(views).permute(0, 3, 1, 2).contiguous().to(dtype) / 255
    return (pixels - 0.4) / 0.25


def zennit_map(model, images, target):
    start = RULES["alpha1_beta0"].start(torch.full((len(images),), target))
    return ZennitRule(copy.deepcopy(model), Z_PLUS)(images, start)


def relative_error(found, expected):
    return float((found - expected).norm() / expected.norm())


def allowed_error(model, images):
    """1e-10 in float64. In float32 1e-5, and on top what zennit itself misses of its own float64 map: where values tie
    in max pooling, rounding decides which pixel gets the relevance, in both alike."""
    if images.dtype == torch.float64:
        return 1e-10
    exact = zennit_map(copy.deepcopy(model).double(), images.double(), 3)
    return 1e-5 + relative_error(zennit_map(model, images, 3).double(), exact)


@pytest.mark.parametrize(
    ("name", "count", "size"),
    [("resnet50_slim", 3, 224), ("resnet50_slim", 1, 512), ("resnet50", 1, 224), ("resnet18", 2, 224)],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_equals_zennit(name, count, size, dtype):
    model = build(name).to(dtype)
    images = inputs(count, size, dtype)
    explainer = Explainer(model)
    assert (explainer.engine, explainer.reason) == ("fast", None)
    relevance = explainer.attribute(images, 3)
    assert relevance.dtype == dtype
    assert relative_error(relevance, zennit_map(model, images, 3)) < allowed_error(model, images)


@pytest.mark.parametrize("setup", SETUPS)
def test_it_equals_zennit_on_trained_models(setup):
    loaded = load_model(open_study(DEMO).checkpoint_path(setup))
    images = loaded.preprocess(draw_phantom(3, 512, 5).image)[None].contiguous()
    relevance = Explainer(loaded.model).attribute(images, 3)
    assert relative_error(relevance, zennit_map(loaded.model, images, 3)) < allowed_error(loaded.model, images)
    exact = Explainer(loaded.model.double()).attribute(images.double(), 3)
    assert relative_error(exact, zennit_map(loaded.model, images.double(), 3)) < 1e-10
    assert relative_error(relevance.double(), exact) < 1e-4


def test_an_image_has_the_same_map_alone_and_in_a_batch_with_its_own_target():
    model, images = build("resnet50_slim").double(), inputs(3, 96, torch.float64)
    explainer = Explainer(model)
    together = explainer.attribute(images, torch.tensor([0, 3, 4]))
    for n, target in enumerate((0, 3, 4)):
        assert relative_error(together[n], explainer.attribute(images[n : n + 1], target)[0]) < 1e-10


def test_relevance_is_conserved_without_biases():
    """What starts as 1 arrives as 1: with fresh batch norms there are no biases to absorb it but the last layer's."""
    model = build_backbone("resnet50", 5, seed=1).double().eval()
    model.fc.bias.data.zero_()
    relevance = Explainer(model).attribute(inputs(2, 128, torch.float64), 3)
    assert relevance.sum(dim=(1, 2, 3)).tolist() == pytest.approx([1.0, 1.0], abs=1e-3)


def test_a_negative_logit_does_not_empty_the_map():
    model = build("resnet50_slim")
    model.fc.bias.data[3] = -1e4
    images = inputs(1, 96)
    assert model(images)[0, 3] < 0
    assert Explainer(model).attribute(images, 3).sum() > 0


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


OF_RESNETS = [name for name in RULES if name != "attention_rollout"]


@pytest.mark.parametrize("rule", OF_RESNETS)
def test_the_model_stays_as_it_was(rule):
    model = build("resnet50_slim")
    model.conv1.weight.requires_grad_(True)
    before, keys, training = state(model), set(vars(model)), model.training
    explainer = Explainer(model, rule)
    explainer.attribute(inputs(1, 64), 2)
    with pytest.raises((InputError, RuntimeError)):
        explainer.attribute(torch.zeros(1, 3, 0, 0), 2)
    after = state(model)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert (set(vars(model)), model.training) == (keys, training)
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
    assert model.conv1.weight.grad is None


@pytest.mark.parametrize("rule", OF_RESNETS)
def test_every_rule_gives_a_map_of_the_image(rule):
    images = inputs(2, 64)
    explainer = Explainer(build("resnet50_slim"), rule)
    relevance = explainer.attribute(images, 3)
    assert relevance.shape == images.shape
    assert torch.isfinite(relevance).all()
    assert relevance.abs().sum() > 0
    assert torch.equal(relevance, explainer.attribute(images, 3))
    if not RULES[rule].signed:
        assert relevance.sum(dim=1).min() > -1e-6
    assert RULES[rule].name == rule
    for text in (RULES[rule].label, RULES[rule].help, RULES[rule].source):
        assert text.strip()


def test_gradient_x_input_by_autograd():
    model, images = build("resnet50_slim"), inputs(1, 64)
    leaf = images.clone().requires_grad_(True)
    model(leaf)[0, 1].backward()
    assert relative_error(Explainer(model, "gradient_x_input").attribute(images, 1), leaf.grad * images) < 1e-5


def test_integrated_gradients_add_up_to_the_change_of_the_output():
    model, images = build("resnet50_slim").double(), inputs(1, 64, torch.float64)
    relevance = Explainer(model, "integrated_gradients").attribute(images, 1)
    change = (model(images) - model(torch.zeros_like(images)))[0, 1].item()
    assert relevance.sum().item() == pytest.approx(change, rel=0.2)


@pytest.mark.parametrize("rule", ["alpha1_beta0", "epsilon_plus"])
def test_many_threads_get_the_maps_of_one(rule):
    explainer = Explainer(build("resnet50_slim"), rule)
    images = [inputs(1, 64 + 16 * n) for n in range(4)]
    expected = [explainer.attribute(image, 3) for image in images]
    wrong = []

    def work(n):
        for _ in range(3):
            if not torch.allclose(explainer.attribute(images[n], 3), expected[n], rtol=1e-5, atol=1e-9):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_unknown_network_falls_back_to_zennit_and_says_so():
    torch.manual_seed(0)
    model = vgg11_bn(num_classes=5).eval()
    explainer = Explainer(model)
    assert explainer.engine == "zennit"
    assert "not a ResNet" in explainer.reason
    assert explainer.attribute(inputs(1, 64), 3).shape == (1, 3, 64, 64)
    with pytest.raises(InputError, match=r"No answer from attention rollout, because a VGG has no attention"):
        Explainer(model, "attention_rollout")


LRP = [name for name, rule in RULES.items() if rule.family == "LRP"]


@pytest.mark.parametrize(
    ("build_network", "reason"),
    [
        (efficientnet_b0, "has layers that LRP has no rule for.*SiLU"),
        (convnext_tiny, "has layers that LRP has no rule for.*GELU"),
        (densenet121, "LRP cannot be sent through a DenseNet"),
        (mobilenet_v2, "of relevance 1 at the output of this MobileNetV2 .* arrives at the input"),
    ],
)
def test_a_network_that_lrp_does_not_conserve_in_gets_no_answer_and_the_reason(build_network, reason):
    torch.manual_seed(0)
    model = build_network(num_classes=5).eval()
    for rule in LRP if build_network is efficientnet_b0 else LRP[:2]:
        with pytest.raises(InputError, match=f"No answer from .*{reason}.*choose"):
            Explainer(model, rule)
    assert Explainer(model, "gradient_x_input").attribute(inputs(1, 64), 3).abs().sum() > 0


def test_a_map_that_is_no_answer_is_refused():
    broken = build("resnet50_slim")
    broken.fc.weight.data[3] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        Explainer(broken, "gradient_x_input").attribute(inputs(1, 64), 3)
    silent = build("resnet50_slim")
    silent.fc.weight.data[3] = -1.0  # nothing speaks for this grade
    with pytest.raises(InputError, match="No answer from LRP alpha1-beta0, because its map is zero everywhere"):
        Explainer(silent).attribute(inputs(1, 64), 3)


def test_relevance_out_of_nothing_is_refused(monkeypatch):
    explainer = Explainer(build("resnet50_slim"), "excitation_backprop")
    whole = explainer._slow
    assert explainer.attribute(inputs(1, 64), 3).sum().item() == pytest.approx(1, abs=TOLERANCE)
    monkeypatch.setattr(explainer, "_slow", lambda images, start: 1.1 * whole(images, start))
    with pytest.raises(InputError, match=r"of relevance 1 at the output 1\.\d+ arrives"):
        explainer.attribute(inputs(1, 64), 3)


@pytest.mark.parametrize("rule", [name for name in LRP if RULES[name].conserves])
@pytest.mark.parametrize("setup", ["iwne_fs", "ifi_cl"])
def test_rules_that_conserve_do_so_on_trained_models_without_biases(rule, setup):
    """Without them in the network too: a unit that its bias alone activates has nothing to hand its relevance to."""
    loaded = load_model(open_study(DEMO).checkpoint_path(setup))
    images = loaded.preprocess(draw_phantom(3, 512, 5).image)[None].contiguous()
    for module in loaded.model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.zero_()
        if isinstance(module, nn.BatchNorm2d | nn.Linear):
            nn.init.zeros_(module.bias)
    whole = ZennitRule(loaded.model, RULES[rule].composite)
    arrived = whole(images, RULES[rule].start(torch.tensor([3]))).double().sum().item()
    assert arrived == pytest.approx(0 if RULES[rule].contrast else 1, abs=0.02)


@pytest.mark.parametrize("rule", ["alpha1_beta0", "contrastive", "layer_cam"])
def test_groups_of_targets_give_the_mean_of_the_maps_of_each_alone(rule):
    explainer, images = Explainer(build("resnet50_slim").double(), rule), inputs(2, 96, torch.float64)
    together = explainer.attribute_each(images, [[3], [0], [0, 1, 3]])
    assert together.shape == (3, *images.shape)
    alone = [explainer.attribute(images, target) for target in (3, 0, 1)]
    expected = [alone[0], alone[1], torch.stack(alone).mean(dim=0)]
    for found, map_alone in zip(together, expected, strict=True):
        assert relative_error(found, map_alone) < 1e-9


def test_further_targets_share_the_forward_pass(monkeypatch):
    """Counted, not timed: two grades cost one forward pass and one pass with positive weights, as one does."""
    explainer, images = Explainer(build("resnet50_slim")), inputs(1, 64)
    calls = []
    convolve = torch.nn.functional.conv2d
    monkeypatch.setattr(torch.nn.functional, "conv2d", lambda *args, **options: calls.append(1) or convolve(*args))
    explainer.attribute(images, 3)
    alone = len(calls)
    explainer.attribute_each(images, [[3], [0], [1, 2, 4]])
    assert len(calls) == 2 * alone


def test_the_documentation_lists_every_rule():
    page = (Path(__file__).parents[3] / "docs" / "explain.md").read_text(encoding="utf-8")
    for rule in RULES.values():
        assert f"| {rule.label} | {rule.help} |" in page


def test_contrastive_lrp_is_the_target_minus_the_mean_of_the_others():
    model, images = build("resnet50_slim").double(), inputs(1, 96, torch.float64)
    maps = Explainer(model).attribute_each(images, [[grade] for grade in range(5)])
    expected = maps[3] - maps[[0, 1, 2, 4]].mean(dim=0)
    assert relative_error(Explainer(model, "contrastive").attribute(images, 3), expected) < 1e-9


@pytest.mark.parametrize("rule", ["alpha1_beta0", "epsilon", "smooth_grad", "layer_cam", "occlusion"])
def test_inference_mode_changes_no_answer(rule):
    model, images = build("resnet50_slim"), inputs(1, 64)
    expected = Explainer(model, rule).attribute(images, 3)
    with torch.inference_mode():
        found = Explainer(model, rule).attribute(images.clone(), 3)
    assert torch.equal(found, expected)


def test_layer_cam_by_autograd():
    model, images = build("resnet50_slim"), inputs(1, 64)
    kept = []
    handle = model.layer2.register_forward_hook(lambda *call: kept.append(call[2]))
    leaf = images.clone().requires_grad_(True)
    logit = model(leaf)[0, 1]
    handle.remove()
    (slope,) = torch.autograd.grad(logit, kept[0])
    small = (slope.clamp(min=0) * kept[0]).sum(dim=1, keepdim=True)
    expected = torch.nn.functional.interpolate(small, (64, 64), mode="bilinear", align_corners=False)
    found = Explainer(model, "layer_cam").attribute(images, 1).sum(dim=1, keepdim=True)
    assert relative_error(found, expected.detach()) < 1e-5


def test_occlusion_is_the_fall_of_the_logit():
    model, images = build("resnet50_slim").double(), inputs(2, 64, torch.float64)
    found = Explainer(model, "occlusion").attribute(images, torch.tensor([1, 3]))
    without = images.clone()
    without[:, :, 8:12, 20:24] = 0
    with torch.no_grad():
        falls = (model(images) - model(without))[[0, 1], [1, 3]]
    assert found[:, :, 8:12, 20:24].sum(dim=(1, 2, 3)).tolist() == pytest.approx(falls.tolist(), rel=1e-6)


def test_what_the_engine_does_not_know_is_named():
    strange = build("resnet50_slim")
    strange.layer2[0].relu = nn.GELU()
    assert "GELU" in why_unknown(strange)
    bare = build("resnet50_slim")
    bare.bn1 = nn.BatchNorm2d(64, track_running_stats=False)
    assert "without statistics" in why_unknown(bare)
    grouped = build("resnet50_slim")
    grouped.conv1 = nn.Conv2d(3, 63, 7, groups=3)
    assert "groups" in why_unknown(grouped)


def test_bad_arguments_say_what_must_be():
    model = build("resnet50_slim")
    with pytest.raises(InputError, match="must be one of alpha1_beta0"):
        Explainer(model, "lrp")
    explainer = Explainer(model)
    for target in (5, -1):
        with pytest.raises(InputError, match="between 0 and 4; the model has 5 outputs"):
            explainer.attribute(inputs(1, 64), target)
    with pytest.raises(InputError, match=r"must have the shape \(N, 3, H, W\)"):
        explainer.attribute(inputs(1, 64)[0], 3)
    for kind, remedy in (
        (torch.float16, r"half precision .* `\.float\(\)`"),
        (torch.bfloat16, "half precision"),
        (torch.uint8, "these are pixels: .* `preprocess`"),
        (torch.float64, "the model's weights float32"),
    ):
        with pytest.raises(InputError, match=remedy):
            explainer.attribute(torch.ones(1, 3, 64, 64, dtype=kind), 3)
    with pytest.raises(InputError, match="half precision"):
        Explainer(model.half()).attribute(torch.ones(1, 3, 64, 64).half(), 3)
