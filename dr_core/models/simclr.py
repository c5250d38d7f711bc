"""SimCLR: two views of an image are told from all other images of the batch."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dr_core.devices import find_member, gather_rows
from dr_core.models.projection import build_mlp, take_off_head
from dr_core.models.seeded import seeded


class SimCLR(nn.Module):
    """An encoder with a projection of two layers, batch norm behind each, as in the authors' code.

    Args:
        encoder: The network; its last layer is taken off.
        dim: Length of the projection.
        head: Path of the encoder's last layer.
        seed: Seed of the projection's weights.

    Source: Chen et al. 2020, arXiv:2002.05709, section 2.1.
    """

    def __init__(self, encoder: nn.Module, dim: int = 128, *, head: str = "fc", seed: int = 0) -> None:
        super().__init__()
        features = take_off_head(encoder, head)
        self.encoder = encoder
        with seeded(seed):
            self.projector = build_mlp(features, features, dim, normalize_output=True)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Project two views of each image.

        Args:
            first: Float (N, 3, H, W), normalized.
            second: Float (N, 3, H, W), other views of the same images.

        Returns:
            Two float (N, dim), of any length.
        """
        z: Tensor = self.projector(self.encoder(torch.cat([first, second])))  # (2N, dim)
        left, right = z.chunk(2)
        return left, right

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features, float (N, C), and their projection, float (N, dim), of float (N, 3, H, W)."""
        features = self.encoder(images)
        return features, self.projector(features)


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Normalized temperature-scaled cross entropy: each view finds the other of its image among all others.

    l(i, j) = -log(exp(sim(z_i, z_j) / tau) / sum over k != i of exp(sim(z_i, z_k) / tau)), with the cosine as sim, and
    the loss its mean over both orders of all pairs. The candidates are the views of all processes; each process gives
    the loss of all of them with the gradient of its own views as many times as there are processes, since gradients are
    then averaged.

    Args:
        first: Float (N, dim).
        second: Float (N, dim), of the same images.
        temperature: tau, above 0.

    Returns:
        The loss, a scalar with gradient, float32.

    Source: Chen et al. 2020, arXiv:2002.05709, eq. 1 and algorithm 1.
    """
    member = find_member()
    sides = []
    for z in (first, second):
        own = F.normalize(z.float(), dim=1)
        parts = list(gather_rows(own.detach(), member.world).chunk(member.world))
        parts[member.rank] = own
        sides.append(torch.cat(parts))  # (N of all, dim)
    z = torch.cat(sides)  # (2N, dim)
    with torch.autocast(z.device.type, enabled=False):
        logits = z @ z.T / temperature  # (2N, 2N)
    logits = logits.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), -torch.inf)
    loss = F.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z) // 2))
    return loss if member.world == 1 else loss + (member.world - 1) * (loss - loss.detach())
