"""BYOL: an online network predicts what a slowly moving target makes of another view; without negatives."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dr_core.models.projection import build_mlp, follow_weights, take_off_head
from dr_core.models.seeded import seeded


class BYOL(nn.Module):
    """An online network (encoder, projector, predictor) and its target (encoder, projector), a moving average of it.

    Args:
        encoder: The network; its last layer is taken off; its weights start both encoders.
        dim: Length of the projection.
        hidden: Width within projector and predictor.
        head: Path of the encoder's last layer.
        seed: Seed of the weights of projector and predictor.

    Source: Grill et al. 2020, arXiv:2006.07733, section 3.
    """

    def __init__(
        self, encoder: nn.Module, dim: int = 256, hidden: int = 4096, *, head: str = "fc", seed: int = 0
    ) -> None:
        super().__init__()
        features = take_off_head(encoder, head)
        self.encoder = encoder
        with seeded(seed):
            self.projector = build_mlp(features, hidden, dim)
            self.predictor = build_mlp(dim, hidden, dim)
        self.target_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.projector).requires_grad_(False)

    def move_target(self, momentum: float) -> None:
        """Let the target follow the online network by one step."""
        follow_weights(self.target_encoder, self.encoder, momentum)
        follow_weights(self.target_projector, self.projector, momentum)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Predict and project two views of each image.

        Args:
            first: Float (N, 3, H, W), normalized.
            second: Float (N, 3, H, W), other views of the same images.

        Returns:
            Predictions of the online network for both, then projections of the target for both, without gradient; four
            float (N, dim).
        """
        predictions = [self.predictor(self.projector(self.encoder(view))) for view in (first, second)]
        with torch.no_grad():
            targets = [self.target_projector(self.target_encoder(view)) for view in (first, second)]
        return predictions[0], predictions[1], targets[0], targets[1]

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features, float (N, C), and their projection, float (N, dim), of float (N, 3, H, W)."""
        features = self.encoder(images)
        return features, self.projector(features)


def byol_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Squared distance of unit vectors: L = ||q - z'||^2 = 2 - 2 <q, z'> / (||q|| ||z'||), the mean over the batch.

    The whole loss adds the one with exchanged views.

    Args:
        prediction: Float (N, dim), q of one view.
        target: Float (N, dim), z' of the other view.

    Returns:
        A scalar, float32, 0..4; 2 for unrelated directions.

    Source: Grill et al. 2020, arXiv:2006.07733, eq. 2.
    """
    return (2.0 - 2.0 * F.cosine_similarity(prediction.float(), target.float(), dim=1)).mean()
