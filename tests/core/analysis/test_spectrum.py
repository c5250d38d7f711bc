import numpy as np
import pytest
import torch
from torch import nn

from dr_core.analysis.image_spectra import image_eigenvalues
from dr_core.analysis.spectrum import (
    Moments,
    SpectrumHooks,
    activation_eigenvalues,
    condition_number,
    count_rank,
    log_density,
    measured_layers,
)
from dr_core.errors import InputError
from dr_core.models.architectures import build_backbone, build_network
from dr_core.processes import worker_context
from tests.conftest import find_free_port


def all_at_once(model, images, centered=True):
    """Keep every activation, then numpy's own covariance."""
    kept, handles = {}, []
    for name, module in measured_layers(model).items():
        handles.append(module.register_forward_hook(lambda _, __, output, name=name: kept.update({name: output})))
    with torch.inference_mode():
        model(images)
    for handle in handles:
        handle.remove()
    found = {}
    for name, output in kept.items():
        if output.dim() == 2:  # the last layer, of which a whole image is one sample
            continue
        rows = output.movedim(1, -1) if isinstance(measured_layers(model)[name], nn.Conv2d) else output
        vectors = rows.double().flatten(0, -2).T.numpy()
        covariance = np.cov(vectors, bias=True) if centered else vectors @ vectors.T / vectors.shape[1]
        found[name] = np.linalg.eigvalsh(np.atleast_2d(covariance))[::-1]
    return found


@pytest.mark.parametrize(("arch", "size"), [("timm/test_vit", 160), ("timm/test_convnext", 64)])
@pytest.mark.parametrize("centered", [True, False])
def test_tokens_and_positions_are_samples_in_networks_with_linear_layers(arch, size, centered):
    model = build_network(arch, 5, seed=1, size=size).double().eval()
    images = torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = all_at_once(model, images, centered)
    with SpectrumHooks(model, centered=centered) as hooks:
        for batch in images.split(3):
            model(batch)
        found, samples = hooks.eigenvalues(), hooks.samples()
    assert list(found) == list(expected)
    for name, values in found.items():
        assert np.abs(values.numpy() - expected[name]).max() <= 1e-9 * expected[name][0]
    if arch == "timm/test_vit":
        assert samples["blocks.0.mlp.fc1"] == 4 * 101  # patches of 16 px and the class token
        assert "head" not in found


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("batch", [1, 4, 6])
def test_any_batch_size_equals_all_at_once(centered, batch):
    model = build_backbone("resnet50_slim", 5, 0).double().eval()
    images = torch.randn(6, 3, 48, 48, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = all_at_once(model, images, centered)
    found = activation_eigenvalues(model, images.split(batch), centered=centered)
    assert list(found) == list(expected)  # the order of the forward pass
    for name, values in found.items():
        assert values.shape == (measured_layers(model)[name].out_channels,)
        assert np.abs(values.numpy() - expected[name]).max() <= 1e-9 * expected[name][0]


def test_float32_network_is_as_close_as_its_own_rounding():
    model = build_backbone("resnet50_slim", 5, 1).eval()
    images = torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    expected = all_at_once(model, images)
    for name, values in activation_eigenvalues(model, images.split(4)).items():
        assert np.abs(values.numpy() - expected[name]).max() <= 1e-6 * expected[name][0]


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_sums_of_float32_lose_nothing_to_a_mean(offset):
    """A spread of 1 beside a mean of 1,000 in 100,000 vectors, of which float32 itself keeps four digits."""
    generator = torch.Generator().manual_seed(0)
    vectors = (offset + torch.randn(10, 16, 100, 100, generator=generator)).float()
    moments = Moments()
    for batch in vectors.split(3):
        moments.add(batch)
    expected = np.cov(vectors.double().transpose(0, 1).flatten(1).numpy(), bias=True)
    assert np.abs(moments.covariance().numpy() - expected).max() < 1e-6
    uncentered = expected + np.outer(*[vectors.double().mean((0, 2, 3)).numpy()] * 2)
    assert moments.covariance(centered=False).numpy() == pytest.approx(uncentered, abs=1e-6 * (1 + offset))


def test_model_is_left_as_it_was():
    model = build_backbone("resnet50_slim", 5, 0).eval()
    with pytest.raises(RuntimeError):
        activation_eigenvalues(model, [torch.zeros(1, 4, 32, 32)])
    assert not any(module._forward_hooks for module in model.modules())


def test_known_law():
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False)).double()
    model[0].weight.data = torch.diag(torch.tensor([3.0, 2.0, 1.0]).double())[:, :, None, None]
    images = torch.randn(40, 3, 50, 50, generator=generator, dtype=torch.float64)
    found = activation_eigenvalues(model, images.split(7))["0"]
    assert found.numpy() == pytest.approx([9, 4, 1], rel=0.02)


def test_images_one_by_one():
    model = build_backbone("resnet50_slim", 5, 0).double().eval()
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = image_eigenvalues(model, images.split(2))
    alone = activation_eigenvalues(model, [images[2:]])["conv1"]
    assert found.shape == (3, 64)
    assert found[2].numpy() == pytest.approx(alone.numpy(), abs=1e-9)
    with pytest.raises(InputError, match="no convolution 'conv9'"):
        image_eigenvalues(model, [images], "conv9")


def test_condition_number_by_hand_and_its_edges():
    values = np.arange(1.0, 65)
    assert condition_number(values) == pytest.approx((1 + 63 * 0.999) / (1 + 63 * 0.9))
    assert condition_number(-values) == condition_number(values)
    assert np.isnan(condition_number(np.zeros(64)))
    assert np.isinf(condition_number(np.eye(64)[0]))
    assert count_rank(np.zeros(64)) == 0
    assert count_rank(np.array([1.0, 0.5, 1e-9])) == 2


def test_constant_activations_have_rank_0():
    model = nn.Sequential(nn.Conv2d(3, 8, 3))
    nn.init.zeros_(model[0].weight)
    found = activation_eigenvalues(model, [torch.randn(2, 3, 8, 8)])["0"]
    assert count_rank(found) == 0
    assert np.isnan(condition_number(found))


def test_fewer_positions_than_channels_limit_the_rank():
    model = nn.Sequential(nn.Conv2d(3, 32, 3))
    found = activation_eigenvalues(model, [torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))])["0"]
    assert count_rank(found) == 7  # 8 positions, one degree goes to the mean


def test_no_image_and_broken_activations():
    model = nn.Sequential(nn.Conv2d(3, 8, 3))
    with pytest.raises(InputError, match="no image"):
        activation_eigenvalues(model, [])
    with pytest.raises(InputError, match="not finite"):
        activation_eigenvalues(model, [torch.full((1, 3, 8, 8), torch.nan)])
    with pytest.raises(InputError, match="no image"):
        Moments().covariance()


def _measure_some(images):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 24, 3)).double()
    return activation_eigenvalues(model, images)["2"].numpy()


def _draw_some():
    return torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 2


def _rank_work(rank, port, queue):
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    queue.put(_measure_some(_draw_some()[:2].split(1) if rank == 0 else [_draw_some()[2:]]))
    torch.distributed.destroy_process_group()


def test_two_ranks_equal_one():
    port = find_free_port()
    context = worker_context()
    queue = context.Queue()
    workers = [context.Process(target=_rank_work, args=(rank, port, queue)) for rank in range(2)]
    for worker in workers:
        worker.start()
    results = [queue.get(timeout=90) for _ in workers]
    for worker in workers:
        worker.join()
    expected = _measure_some([_draw_some()])
    for found in results:
        assert np.abs(found - expected).max() <= 1e-9 * expected[0]


def test_a_density_on_the_logarithmic_axis():
    values = np.random.default_rng(0).lognormal(mean=np.log(100), sigma=0.5 * np.log(10), size=4000)
    decades = np.linspace(-1, 5, 601)
    found = log_density(np.concatenate([values, np.zeros(9)]), decades)
    assert found.sum() * 0.01 == pytest.approx(1, abs=1e-3)
    assert decades[found.argmax()] == pytest.approx(2, abs=0.15)
    smoothed = np.hypot(0.5, 4000**-0.2 * 0.5)  # a normal density seen through normal kernels
    normal = np.exp(-0.5 * ((decades - 2) / smoothed) ** 2) / (smoothed * np.sqrt(2 * np.pi))
    assert found == pytest.approx(normal, abs=0.05)
    assert log_density(10 * values, decades + 1) == pytest.approx(log_density(values, decades))
    assert np.isnan(log_density(np.array([3.0, 3.0, 0.0]), decades)).all()
