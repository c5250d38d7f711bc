"""DINO: a student learns the distribution that its own moving average, the teacher, gives to other crops."""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dr_core.devices import find_member, gather_rows
from dr_core.models.projection import follow_weights, take_off_head
from dr_core.models.seeded import seeded

CENTER_MOMENTUM = 0.9
"""Momentum of the center, m. Source: Caron et al. 2021, the authors' code."""

TEACHER_TEMPERATURE = 0.04
"""Temperature of the teacher, tau_t. Source: Caron et al. 2021, section 3.2 and table 7."""


class DinoHead(nn.Module):
    """Three layers with GELU, unit length, and a last layer whose rows have length 1.

    Args:
        inputs: Number of features.
        prototypes: Length of the result, K.
        hidden: Width of the first two layers.
        bottleneck: Length of what enters the last layer.

    Source: Caron et al. 2021, arXiv:2104.14294, section 3.1 (projection head) and appendix C.
    """

    def __init__(self, inputs: int, prototypes: int, hidden: int, bottleneck: int) -> None:
        super().__init__()
        sizes = (nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU())
        self.layers = nn.Sequential(*sizes, nn.Linear(hidden, bottleneck))
        for module in self.layers:
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        self.last = nn.Linear(bottleneck, prototypes, bias=False)
        self.frozen = False

    def forward(self, features: Tensor) -> Tensor:
        """Float (N, C) -> logits, float (N, prototypes)."""
        x, weight = F.normalize(self.layers(features), dim=1), self.last.weight
        if self.frozen:  # its gradient is 0, not lacking: processes that train together wait for every gradient
            weight = weight.detach() + 0.0 * (weight - weight.detach())
        return F.linear(x, F.normalize(weight, dim=1))


class DINO(nn.Module):
    """A student and its teacher; what is kept is the teacher's encoder, as its authors do.

    Args:
        encoder: The network; its last layer is taken off; its weights start both encoders.
        dim: Length of the distributions, K.
        hidden: Width within the head.
        bottleneck: Length of what enters the head's last layer.
        head: Path of the encoder's last layer.
        seed: Seed of the head's weights.

    Source: Caron et al. 2021, arXiv:2104.14294, algorithm 1.
    """

    center: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        dim: int = 65536,
        hidden: int = 2048,
        bottleneck: int = 256,
        *,
        head: str = "fc",
        seed: int = 0,
    ) -> None:
        super().__init__()
        features = take_off_head(encoder, head)
        self.encoder = encoder
        with seeded(seed):
            self.projector = DinoHead(features, dim, hidden, bottleneck)
            self.teacher_projector = copy.deepcopy(self.projector).requires_grad_(False)
        self.teacher_encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.register_buffer("center", torch.zeros(dim))

    def freeze_last_layer(self, frozen: bool) -> None:
        """Keep the directions of the student's last layer as they are, or let them learn."""
        self.projector.frozen = frozen

    def move_target(self, momentum: float) -> None:
        """Let the teacher follow the student by one step."""
        follow_weights(self.teacher_encoder, self.encoder, momentum)
        follow_weights(self.teacher_projector, self.projector, momentum)

    @torch.no_grad()
    def move_center(self, teacher: Tensor) -> None:
        """Move the center toward the mean of the teacher's logits, float (N, K), of all processes.

        c <- m c + (1 - m) / N sum over i of g_t(x_i)

        Source: Caron et al. 2021, arXiv:2104.14294, eq. 4.
        """
        mean = gather_rows(teacher.float().mean(dim=0, keepdim=True), find_member().world).mean(dim=0)
        self.center.lerp_(mean, 1.0 - CENTER_MOMENTUM)

    def forward(self, *views: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Logits of the student for every view, and of the teacher for the first two, the global ones.

        Args:
            views: Float (N, 3, H, W) each, normalized; local views behind the global ones may be smaller.

        Returns:
            Lists of float (N, K): a student's for each view, a teacher's without gradient for each global view.
        """
        student = [self.projector(self.encoder(view)) for view in views]
        with torch.no_grad():
            teacher = [self.teacher_projector(self.teacher_encoder(view)) for view in views[:2]]
        return student, teacher

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the teacher, float (N, C), and its sharpened answer, float (N, K), of float (N, 3, H, W)."""
        features = self.teacher_encoder(images)
        logits = self.teacher_projector(features) - self.center
        return features, torch.softmax(logits.float() / TEACHER_TEMPERATURE, dim=1)


def dino_loss(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    center: Tensor,
    student_temperature: float,
    teacher_temperature: float,
) -> Tensor:
    """Cross entropy of the student with the centered, sharpened teacher, over all pairs of different views.

    The sum over global x and other views x' of H(P_t(x), P_s(x')), with H(a, b) = -a log b,
    P_t = softmax((g_t - c) / tau_t) and P_s = softmax(g_s / tau_s), here the mean over the pairs and the batch.

    Args:
        student: Float (N, K) logits for each view, the global views first.
        teacher: Float (N, K) logits for each global view, in the same order.
        center: Float (K,), c.
        student_temperature: tau_s.
        teacher_temperature: tau_t, lower: it sharpens.

    Returns:
        The loss, a scalar with gradient, float32.

    Source: Caron et al. 2021, arXiv:2104.14294, eq. 1 to 3 and algorithm 1.
    """
    targets = [torch.softmax((logits.float() - center) / teacher_temperature, dim=1).detach() for logits in teacher]
    given = [torch.log_softmax(logits.float() / student_temperature, dim=1) for logits in student]
    losses = [
        -(target * answer).sum(dim=1).mean()
        for number, target in enumerate(targets)
        for other, answer in enumerate(given)
        if other != number
    ]
    return torch.stack(losses).mean()
