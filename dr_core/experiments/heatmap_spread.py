"""How outspread a heatmap is within the field of view, as rows of `localization`."""

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from dr_core.analysis.localization import pool, relevance_entropy

VIEW = "view"
"""What stands in place of a lesion where the whole field of view is measured."""

ENTROPY = "entropy"
"""Name of the score."""


def spread_rows(maps: Mapping[str, Tensor], field: Tensor, poolings: Sequence[str]) -> Iterator[dict[str, object]]:
    """Entropy of the heatmap and of every control.

    Args:
        maps: Method -> relevance, float (1, 3, H, W).
        field: Bool (1, H, W), field of view.
        poolings: Keys of `POOLINGS`.

    Yields:
        method, pooling, lesion (`VIEW`), score (`ENTROPY`), value 0..1, share (of the view that is field), reason.
    """
    share = float(field.double().mean())
    for method, relevance in maps.items():
        for pooling in poolings:
            value = relevance_entropy(pool(relevance, pooling), field.to(relevance.device)).item()
            about: dict[str, object] = {"method": method, "pooling": pooling, "lesion": VIEW, "score": ENTROPY}
            yield about | {"value": value, "share": share, "reason": ""}
