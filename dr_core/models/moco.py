"""MoCo v2: momentum contrast with a queue of keys, on one screen."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dr_core.devices import find_member, gather_rows
from dr_core.errors import InputError
from dr_core.models.projection import follow_weights, record_input, take_off_head
from dr_core.models.seeded import seeded


class MoCo(nn.Module):
    """Contrast a query with the key of the same image against a queue of keys of other images.

    The key encoder follows the query encoder as a moving average; the keys of past batches wait in a queue, so that a
    batch meets K negatives whatever its own size. The queue and its position are buffers: a state dict resumes exactly.

    Args:
        encoder: A network whose last layer is replaced by MoCo v2's head (two layers); its weights start both encoders.
        dim: Length of the representation.
        K: Number of keys in the queue.
        m: Momentum of the key encoder.
        T: Temperature of the softmax.
        norm_groups: Number of groups into which a batch of this device is split for batch norm, queries and keys
            differently. With one group in all, the statistics of the batch tell the positive apart from the queue;
            this does on one device what shuffling batch norm does across several. Across several both are done:
            groups are dealt among all devices.
        seed: Seed of the head's weights and of the random keys that fill the queue at first.
        head: Path of the encoder's last layer.

    Source: He et al. 2020 (algorithm 1); Chen et al. 2020, arXiv:2003.04297 (MLP head, T = .2).
    """

    queue: Tensor
    queue_position: Tensor

    def __init__(  # noqa: PLR0913 - the paper's letters, which scripts use
        self,
        encoder: nn.Module,
        dim: int = 128,
        K: int = 65536,
        m: float = 0.999,
        T: float = 0.2,
        *,
        norm_groups: int = 1,
        seed: int = 0,
        head: str = "fc",
    ) -> None:
        super().__init__()
        self.K, self.m, self.T, self.norm_groups, self.head = K, m, T, norm_groups, head
        features = take_off_head(encoder, head)
        with seeded(seed):
            mlp = nn.Sequential(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, dim))
            queue = F.normalize(torch.randn(dim, K), dim=0)
        self.encoder_q = encoder
        self.encoder_q.set_submodule(head, mlp)
        self.encoder_k = copy.deepcopy(encoder).requires_grad_(False)
        self.register_buffer("queue", queue)  # (dim, K), columns of length 1
        self.register_buffer("queue_position", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def _encode_keys(self, im_k: Tensor) -> Tensor:
        """Keys of the images of all devices, (N of all, dim), each normalized among other images than its query."""
        member = find_member()
        images = gather_rows(im_k, member.world)  # (N of all, 3, H, W)
        dealt = _deal(len(images), member.world * self.norm_groups, images.device)
        k = self._encode_in_groups(self.encoder_k, images[dealt.chunk(member.world)[member.rank]])
        return gather_rows(F.normalize(k, dim=1), member.world)[dealt.argsort()]

    @torch.no_grad()
    def _enqueue(self, keys: Tensor) -> None:
        keys = keys[max(0, len(keys) - self.K) :]  # a batch larger than the queue leaves only its last K keys
        places = (self.queue_position + torch.arange(len(keys), device=keys.device)) % self.K
        self.queue[:, places] = keys.T
        self.queue_position.add_(len(keys)).remainder_(self.K)

    def _encode_in_groups(self, encoder: nn.Module, images: Tensor) -> Tensor:
        return torch.cat([encoder(group).to(self.queue.dtype) for group in images.chunk(self.norm_groups)])

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features, float (N, C), and their projection, float (N, dim), of float (N, 3, H, W)."""
        return record_input(self.encoder_q, self.head, images)

    def forward(self, im_q: Tensor, im_k: Tensor) -> tuple[Tensor, Tensor]:
        """Compare two views of each image with each other and with the queue.

        In training mode the key encoder takes its momentum step first and the new keys, those of all devices, enter the
        queue last; in evaluation mode neither changes.

        Args:
            im_q: Float (N, 3, H, W), query views, normalized.
            im_k: Float (N, 3, H, W), key views of the same images.

        Returns:
            Logits, float (N, 1+K), the positive first, divided by T; and labels, int64 (N,), all 0.

        Raises:
            InputError: If the two batches differ in shape.
        """
        if im_q.shape != im_k.shape:
            raise InputError(f"Both views must have one shape, not {tuple(im_q.shape)} and {tuple(im_k.shape)}.")
        q = F.normalize(self._encode_in_groups(self.encoder_q, im_q), dim=1)  # (N, dim)
        with torch.no_grad():
            if self.training:
                follow_weights(self.encoder_k, self.encoder_q, self.m)
            keys = self._encode_keys(im_k)  # (N of all, dim)
            k = keys.chunk(find_member().world)[find_member().rank]  # (N, dim)
        positive = (q * k).sum(dim=1, keepdim=True)  # (N, 1)
        with torch.autocast(q.device.type, enabled=False):  # half precision loses what tells keys apart
            negative = q @ self.queue.clone()  # (N, K)
        logits = torch.cat([positive, negative], dim=1) / self.T
        labels = torch.zeros(len(q), dtype=torch.long, device=q.device)
        if self.training:
            self._enqueue(keys)
        return logits, labels


def _deal(n: int, groups: int, device: torch.device) -> Tensor:
    """An order of n images in which contiguous groups share few members with the original contiguous groups."""
    return torch.cat([torch.arange(first, n, groups, device=device) for first in range(groups)])
