"""Damage to pictures: ImageNet-C's nineteen corruptions, RetinaMNIST-C's, and what goes wrong in a clinic."""

from dr_core.corruption.registry import (
    CORRUPTIONS,
    FAMILIES,
    IMAGENET_C,
    MAX_SEVERITY,
    Corruption,
    corrupt,
    find_corruption,
)

__all__ = ["CORRUPTIONS", "FAMILIES", "IMAGENET_C", "MAX_SEVERITY", "Corruption", "corrupt", "find_corruption"]
