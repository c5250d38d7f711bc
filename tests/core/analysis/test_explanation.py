"""Shares by hand, controls, and the sentence: also of a model that ignores lesions."""

import numpy as np
import pytest
import torch
from torch import nn

from dr_core.analysis.attribution import Explainer
from dr_core.analysis.controls import (
    CONTROLS,
    MAP,
    build_explainers,
    build_untrained,
    class_maps,
    control_maps,
    trace_edges,
    untrained_explainers,
    why_no_map,
    why_no_untrained,
)
from dr_core.analysis.explanation import describe_all, describe_explanation, explain_map, find_best, measure_shares
from dr_core.analysis.localization import pool
from dr_core.data.fundus import find_field_of_view
from dr_core.data.phantom import draw_phantom
from dr_core.data.preprocessing import Preprocessing
from dr_core.data.protocol import scale_mask
from dr_core.data.regions import Regions, find_regions
from dr_core.errors import InputError
from dr_core.models.architectures import build_backbone
from dr_core.models.checkpoint import CheckpointInfo, LoadedModel, load_model
from dr_core.study.folder import open_study
from dr_ui.shell.studies import DEMO


def square(rows, columns, size=10):
    mask = np.zeros((size, size), bool)
    mask[rows, columns] = True
    return mask


FIELD = square(slice(1, 9), slice(1, 9))
REGIONS = Regions(field=FIELD, disc=square(slice(1, 3), slice(1, 3)), fovea=square(slice(6, 8), slice(6, 8)))
LESIONS = square(slice(2, 4), slice(2, 4))


def test_an_even_map_gets_the_areas():
    shares = measure_shares(np.ones((10, 10)), LESIONS, REGIONS)
    assert shares.lesions == pytest.approx(4 / 64)
    assert shares.disc == pytest.approx(3 / 64)  # one of its pixels is a lesion's
    assert shares.fovea == pytest.approx(4 / 64)
    assert shares.elsewhere == pytest.approx(57 / 64)
    assert shares.outside == pytest.approx(36 / 100)
    assert shares.square == pytest.approx(4 / 100)


def test_a_region_around_the_whole_retina_scores_chance():
    """On the square it would score 1.56 times its share, only because the surround is black."""
    pooled = np.random.default_rng(0).random((10, 10)) * FIELD
    shares = measure_shares(pooled, FIELD, Regions(field=FIELD, disc=~FIELD, fovea=~FIELD))
    even = measure_shares(np.ones((10, 10)), FIELD, Regions(field=FIELD, disc=~FIELD, fovea=~FIELD))
    assert shares.lesions == even.lesions == 1
    assert shares.outside == 0


def test_zeros_and_masks_outside_the_field_give_no_number():
    assert np.isnan(measure_shares(np.zeros((10, 10)), LESIONS, REGIONS).lesions)
    outside = square(slice(0, 1), slice(0, 10))
    assert measure_shares(np.ones((10, 10)), outside, REGIONS).lesions == 0
    with pytest.raises(InputError, match="must have one shape"):
        measure_shares(np.ones((9, 9)), LESIONS, REGIONS)


def explained(own, probability=0.6, label="A", lesions=LESIONS, **controls):
    """A map with a given share on the lesions, and controls with theirs."""

    def with_share(share):
        pooled = np.where(FIELD, (1 - share) / (FIELD.sum() - 4), 0.0)
        pooled[LESIONS] = share / 4
        return pooled

    maps = {MAP: with_share(own), **{name.replace("_", "-"): with_share(share) for name, share in controls.items()}}
    about = {"label": label, "name": "hard exudates", "grade": "severe", "probability": probability}
    return explain_map(maps, lesions, REGIONS, **about)


def test_the_sentence_leads_with_shares_and_names_the_strongest_control():
    said = describe_explanation(explained(0.30, random=0.06, untrained_0=0.10, edges=0.12, class_0=0.2))
    assert said.startswith("A: 30 % of the relevance lies on hard exudates, ")
    assert "the strongest control, its own map for “no DR”: 20 %, " in said
    assert said.endswith("More of it lies on hard exudates than in every control.")


def test_a_map_that_a_control_reaches_is_no_better_and_never_best():
    worse = explained(0.12, random=0.06, untrained_0=0.12, untrained_1=0.09, edges=0.11)
    assert worse.unbeaten == ("untrained-0",)
    assert not worse.beats_controls
    assert "no better than an untrained network: it does not show that the network looks there" in describe_explanation(
        worse
    )
    better = explained(0.11, label="B", random=0.06, untrained_0=0.05)
    assert find_best({"a": worse, "b": better}) == set()  # the largest of the row beats no control
    assert find_best({"b": better}) == {"b"}
    assert "No better than their strongest control: A." in describe_all([worse, better])
    assert describe_all([worse, worse]).startswith("No model's heatmap lies on hard exudates more than its strongest")


def test_what_else_must_be_said():
    assert "explains “severe”, which A gives 3.0 %" in describe_explanation(
        explained(0.3, probability=0.03, random=0.06)
    )
    assert "which A gives under 0.1 %" in describe_explanation(explained(0.3, probability=1e-5, random=0.06))
    assert "no control could be measured" in describe_explanation(explained(0.3))
    nothing = explained(0.3, random=0.1, lesions=square(slice(0, 1), slice(0, 5)))
    assert "no hard exudates in the field of view" in describe_explanation(nothing)
    assert not nothing.beats_controls
    with pytest.raises(InputError, match="at least one"):
        describe_all([])


def test_regions_follow_the_photograph_into_every_view():
    phantom = draw_phantom(2, 256, 4)
    field = find_field_of_view(phantom.image)
    whole = phantom.landmarks.mark_disc((256, 256))
    for crop in ("squash", "field_of_view"):
        way = Preprocessing(size=128, crop=crop)
        regions = find_regions((256, 256), way, field, phantom.landmarks)
        expected = scale_mask(whole, 128, crop=crop, rule="half", field=field)
        assert (regions.disc ^ expected).sum() < 0.1 * expected.sum()
        assert not (regions.disc & ~regions.field).any()
    assert not find_regions((256, 256), way, field, None).disc.any()


def test_edges_are_where_the_picture_changes_and_not_at_the_rim():
    inputs = torch.zeros(1, 3, 32, 32)
    inputs[:, :, 8:24, 8:24] = 1.0
    inputs[0, 1, 16, 16] = 5.0
    field = torch.zeros(1, 32, 32, dtype=torch.bool)
    field[:, 8:24, 8:24] = True
    edges = trace_edges(inputs, field)
    assert edges.shape == inputs.shape
    assert edges[0, 1, 15:18, 15:18].sum() == edges.sum() > 0


LOADED = load_model(open_study(DEMO).checkpoint_path("iwne_fs"))


def test_untrained_networks_are_of_the_same_kind_kept_and_never_trained():
    first = untrained_explainers(LOADED, "alpha1_beta0")
    assert len(first) == 3
    assert all(one is other for one, other in zip(first, untrained_explainers(LOADED, "alpha1_beta0"), strict=True))
    weights = [build_untrained(LOADED.model, "resnet50_slim", 5, number).conv1.weight for number in range(2)]
    assert weights[0].shape == LOADED.model.conv1.weight.shape
    assert not torch.equal(*weights)


class Strange(nn.Module):
    """A network with a weight that nothing can draw anew."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))


def test_an_imported_network_gets_its_own_untrained_kind_or_the_reason():
    own = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5)).eval()
    own(torch.zeros(1, 3, 8, 8))
    fresh = build_untrained(own, "imported", 5, 0)
    assert not torch.equal(fresh[0].weight, own[0].weight)
    assert torch.equal(fresh[0].weight, build_untrained(own, "imported", 5, 0)[0].weight)
    with pytest.raises(InputError, match="No untrained network like this Strange can be built"):
        build_untrained(Strange(), "imported", 5, 0)
    imported = LoadedModel(Strange(), info_of("imported", Preprocessing(size=64)))
    assert "cannot draw its weights anew" in why_no_untrained(imported, "alpha1_beta0")


def test_a_network_that_is_no_resnet_gets_untrained_ones_by_its_name():
    timm = pytest.importorskip("timm")
    arch = "timm/mobilenetv3_small_050"
    own = timm.create_model(arch.removeprefix("timm/"), num_classes=5).eval()
    fresh = build_untrained(own, arch, 5, 1, 64)
    assert {name: value.shape for name, value in fresh.state_dict().items()} == {
        name: value.shape for name, value in own.state_dict().items()
    }
    assert not torch.equal(next(fresh.parameters()), next(own.parameters()))


def test_a_model_without_an_answer_keeps_its_controls_and_the_reason():
    silent = load_model(open_study(DEMO).checkpoint_path("iwne_fs"))
    silent.model.fc.weight.data.zero_()
    inputs = silent.preprocess(draw_phantom(3, 128, 5).image)[None]
    field = torch.ones(1, 224, 224, dtype=torch.bool)
    explainers = build_explainers({"a": silent}, "alpha1_beta0")
    (maps,) = control_maps({"a": silent}, explainers, {"a": inputs}, {"a": field}, 3, 0).values()
    assert MAP not in maps
    assert {"random", "untrained-0", "edges"} <= set(maps)
    assert "its map is zero everywhere" in why_no_map(silent, "alpha1_beta0", inputs, 3)
    assert why_no_map(LOADED, "alpha1_beta0", inputs, 3) is None
    with pytest.raises(InputError):
        build_explainers({"a": silent}, "nonsense")


def test_class_maps_and_controls_are_measured_on_the_same_eye():
    phantom = draw_phantom(3, 256, 5)
    inputs = LOADED.preprocess(phantom.image)[None]
    explainer = Explainer(LOADED.model)
    field = torch.ones(1, 224, 224, dtype=torch.bool)
    (maps,) = control_maps({"a": LOADED}, {"a": explainer}, {"a": inputs}, {"a": field}, 3, 0).values()
    assert list(maps) == [MAP, *CONTROLS]
    assert torch.allclose(maps[MAP], explainer.attribute(inputs, 3), rtol=1e-4, atol=1e-9)
    assert torch.allclose(maps["class-0"], explainer.attribute(inputs, 0), rtol=1e-4, atol=1e-9)
    assert "class-0" not in class_maps(explainer, inputs, 0, 5)
    assert list(class_maps(Explainer(LOADED.model, "contrastive"), inputs, 3, 5)) == [MAP]


def info_of(arch, way):
    return CheckpointInfo(
        arch=arch, setup="iwne_fs", preprocessing=way, validation_auc=0.5, training_data="", data_fingerprint=""
    )


def train_on_shuffled_labels(way):
    """A network that has learned which picture is which, and nothing of lesions."""
    grades = torch.arange(16) % 2 * 3
    inputs = torch.stack([way(draw_phantom(int(grade), 128, seed).image) for seed, grade in enumerate(grades)])
    labels = grades[torch.randperm(16, generator=torch.Generator().manual_seed(1))]
    model = build_backbone("resnet50_slim", 5, 0).train()
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(8):
        loss = nn.functional.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return LoadedModel(model.eval().requires_grad_(False), info_of("resnet50_slim", way))


def explain_phantom(model, seed):
    phantom, way = draw_phantom(3, 256, seed), model.info.preprocessing
    field = find_field_of_view(phantom.image)
    regions = find_regions((256, 256), way, field, phantom.landmarks)
    lesions = np.logical_or.reduce(list(phantom.masks.values()))
    mask = scale_mask(lesions, way.size, crop=way.crop, rule="touched", field=field)
    inputs = way(phantom.image)[None]
    inside = {"a": torch.from_numpy(regions.field)[None]}
    maps = control_maps({"a": model}, {"a": Explainer(model.model)}, {"a": inputs}, inside, 3, 0)["a"]
    pooled = {method: pool(relevance, "sum_pos")[0].numpy() for method, relevance in maps.items()}
    probability = float(model.model(inputs).softmax(dim=1)[0, 3])
    return explain_map(pooled, mask, regions, label="Planted", name="lesions", grade="severe", probability=probability)


def test_a_model_that_ignores_lesions_is_said_to_be_no_better_than_an_untrained_network(one_thread):
    planted = train_on_shuffled_labels(Preprocessing(size=64))
    said = [describe_explanation(explain_phantom(planted, seed)) for seed in range(100, 104)]
    assert all("no better than" in one and "does not show that the network looks there" in one for one in said)
    assert sum("an untrained network" in one.split("no better than")[1] for one in said) >= 3
    trained = (explain_phantom(LOADED, seed) for seed in range(100, 104))
    assert any(one.beats_controls for one in trained)  # the same sentence can say the opposite
