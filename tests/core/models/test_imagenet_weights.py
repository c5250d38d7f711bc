"""Published weights, on files of exactly the published forms that are written here."""

import dataclasses
import hashlib
import http.server
import threading

import pytest
import torch
from torch import nn

from dr_core.errors import InputError
from dr_core.models.architectures import build_backbone
from dr_core.models.imagenet_weights import (
    EXTERNAL,
    ExternalWeights,
    cache_folder,
    fetch_weights,
    read_weights,
    start_from,
)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Both files with full ResNet-50 key sets, and the weights in them."""
    folder = tmp_path_factory.mktemp("published")
    network = build_backbone("resnet50", 1000, seed=3)
    torch.save(network.state_dict(), folder / "resnet50-0676ba61.pth")
    network.fc = nn.Sequential(nn.Linear(2048, 2048), nn.ReLU(), nn.Linear(2048, 128))
    tensors = network.state_dict()
    state = {f"module.encoder_{which}.{name}": tensor for which in "qk" for name, tensor in tensors.items()}
    state |= {"module.queue": torch.randn(128, 64), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
    content = {"epoch": 800, "arch": "resnet50", "state_dict": state, "optimizer": {"state": {}, "param_groups": []}}
    torch.save(content, folder / "moco_v2_800ep_pretrain.pth.tar")
    return folder, network.state_dict()


@pytest.mark.parametrize("kind", EXTERNAL)
def test_both_published_forms_start_a_network(published, kind):
    folder, expected = published
    weights = EXTERNAL[kind]
    network = build_backbone("resnet50", 5, seed=0)
    head = network.fc.weight.clone()
    start_from(network, read_weights(weights, folder / weights.file_name), weights.title)
    body = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("fc.")}
    assert len(body) == 318
    assert all(torch.equal(tensor, expected[name]) for name, tensor in body.items())
    assert torch.equal(network.fc.weight, head)


def test_the_published_addresses_and_hashes():
    assert EXTERNAL["supervised"].digest == ("sha256", "0676ba61")
    assert EXTERNAL["moco"].digest == ("md5", "a04e12f8")
    assert EXTERNAL["supervised"].file_name == "resnet50-0676ba61.pth"


def test_the_wrong_one_of_the_two_is_told(published):
    folder, _ = published
    with pytest.raises(InputError, match="holds something else; expected ResNet-50 by MoCo v2"):
        read_weights(EXTERNAL["moco"], folder / "resnet50-0676ba61.pth")
    with pytest.raises(InputError, match="holds something else; expected ResNet-50 supervised"):
        read_weights(EXTERNAL["supervised"], folder / "moco_v2_800ep_pretrain.pth.tar")


def test_a_slim_network_does_not_take_them(published):
    state = read_weights(EXTERNAL["supervised"], published[0] / "resnet50-0676ba61.pth")
    with pytest.raises(InputError, match=r"conv1\.weight|layer1"):
        start_from(build_backbone("resnet50_slim", 5), state, "the file")


def test_bad_files_are_named(tmp_path, published):
    weights = EXTERNAL["supervised"]
    with pytest.raises(InputError, match=r"no file .*missing\.pth; it should hold ResNet-50 supervised"):
        read_weights(weights, tmp_path / "missing.pth")
    page = tmp_path / "page.pth"
    page.write_text("<!DOCTYPE html><title>Sign in</title>")
    with pytest.raises(InputError, match="is a web page"):
        read_weights(weights, page)
    cut = tmp_path / "cut.pth"
    cut.write_bytes((published[0] / "resnet50-0676ba61.pth").read_bytes()[:100_000])
    with pytest.raises(InputError, match="cut off or no weights file"):
        read_weights(weights, cut)


class Planted:
    def __reduce__(self):
        return eval, ("1/0",)


def test_a_malicious_pickle_is_not_run(tmp_path):
    path = tmp_path / "evil.pth"
    torch.save({"layer": Planted()}, path)
    with pytest.raises(InputError, match="no weights file"):
        read_weights(EXTERNAL["supervised"], path)


# --- fetching -----------------------------------------------------------------------------------------------------

CONTENT = bytes(range(256)) * 20_000


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `CONTENT`, honors ranges, and may hang up early."""

    hang_up_at: int | None = None
    ranges: list[str] = []  # noqa: RUF012 - what was asked, seen by the tests

    def do_GET(self):
        asked = self.headers.get("Range", "")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0)
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : self.hang_up_at])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    Handler.hang_up_at, Handler.ranges = None, []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield ExternalWeights(
            title="test weights",
            url=f"http://127.0.0.1:{running.server_port}/weights.pth",
            digest=("sha256", hashlib.sha256(CONTENT).hexdigest()[:8]),
            extract=dict,
        )
        running.shutdown()
        thread.join()


def test_weights_are_fetched_once(server, tmp_path):
    reports = list(fetch_weights(server, tmp_path / "cache"))
    assert (reports[-1].done, reports[-1].total) == (len(CONTENT), len(CONTENT))
    assert (tmp_path / "cache" / "weights.pth").read_bytes() == CONTENT
    assert list(fetch_weights(server, tmp_path / "cache")) == []
    assert Handler.ranges == [""]


def test_a_download_that_was_cut_off_goes_on(server, tmp_path):
    Handler.hang_up_at = 3_000_000
    with pytest.raises(InputError, match="cannot be fetched"):
        list(fetch_weights(server, tmp_path))
    assert not (tmp_path / "weights.pth").exists()
    Handler.hang_up_at = None
    list(fetch_weights(server, tmp_path))
    assert Handler.ranges[1] == "bytes=3000000-"
    assert (tmp_path / "weights.pth").read_bytes() == CONTENT


def test_what_is_not_as_published_is_removed(server, tmp_path):
    other = dataclasses.replace(server, digest=("sha256", "00000000"))
    with pytest.raises(InputError, match="is not what was published"):
        list(fetch_weights(other, tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_offline_a_sentence_says_which_file_goes_where(tmp_path):
    nowhere = dataclasses.replace(EXTERNAL["supervised"], url="http://127.0.0.1:9/resnet50-0676ba61.pth")
    with pytest.raises(InputError, match=r"put it at .*resnet50-0676ba61\.pth, or name its path"):
        list(fetch_weights(nowhere, tmp_path))


def test_the_cache_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("DR_LENS_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("DR_LENS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "dr_lens"
