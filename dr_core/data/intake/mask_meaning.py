"""What a picture of a lesion mask marks: the lesion is what the surrounding value is not, whatever the values are.

Programs write masks in many ways: 0 and 1, 1 and 2, 128 and 255, black on white, red on white, opaque on transparent.
Only the picture itself says which side is the lesion: its surround is not. Where two readings are possible, or none,
the mask is refused; where the surround is not black, a note says what was taken.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from dr_core.errors import InputError

_RARE_SHARE, _MOST = 0.25, 0.5
"""Share of the field of view, or of the picture where that is not known, that a lesion rarely covers, and none does."""

_EDGE_SHARE = 0.02
"""Share of the picture's edge at which a lesion may lie where its surround is not black."""

_FEW_LEVELS, _LARGEST_LABEL = 8, 10
"""Levels up to which a picture may hold several kinds of regions, and numbers by which programs call kinds."""

_OWN_REGIONS, _INTERIOR, _BLURRED_SHARE = 0.3, 0.1, 0.1
_OTHER_COLOR, _COLOR_SHARE = 96, 0.1

Levels = npt.NDArray[np.float32] | npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@dataclass(frozen=True)
class LesionMask:
    """A mask as it was given.

    Attributes:
        pixels: Bool (H, W), true on the lesion.
        gray_levels: Different levels in the file; more than two mean soft edges.
        notes: Sentences on what was taken for the lesion, where that was not plain.
    """

    pixels: np.ndarray
    gray_levels: int
    notes: tuple[str, ...] = ()


def find_lesion(
    name: str, colors: np.ndarray, alpha: np.ndarray | None = None, *, field_share: float = 1.0
) -> LesionMask:
    """Tell the lesion from its surround.

    Args:
        name: What to call the mask in messages, such as "The mask eye_HE.png".
        colors: (H, W) or (H, W, 3) of bool, integers or floats.
        alpha: Opacity, uint8 (H, W), or None.
        field_share: Share of the picture that the field of view covers; 1 where it is not known.

    Returns:
        The mask.

    Raises:
        InputError: If two readings are possible, or it is no mask of one kind of lesion.
    """
    by_color = _Picture(name, colors, field_share)
    if alpha is None or (alpha == alpha.flat[0]).all():
        return by_color.read()
    try:
        by_alpha = _Picture(name, alpha, field_share).read()
    except InputError:
        return by_color.read()
    if by_color.farthest == 0:
        return by_alpha
    try:
        other = by_color.read()
    except InputError:
        return by_alpha
    both, either = (by_alpha.pixels & other.pixels).sum(), (by_alpha.pixels | other.pixels).sum()
    if other.pixels.any() and both < 0.9 * either:
        raise InputError(
            f"{name} marks one region by its colors and another by its transparency; save it without transparency."
        )
    return by_alpha


class _Picture:
    """A picture of levels, and how far each pixel is from the value that surrounds.

    Args:
        name: For messages.
        samples: (H, W) or (H, W, 3).
        field_share: Share of the picture that the field of view covers.
    """

    def __init__(self, name: str, samples: np.ndarray, field_share: float) -> None:
        self.name, self.field_share = name, field_share
        self.whole = "picture" if field_share == 1 else "field of view"
        self.samples = _to_numbers(samples)
        self.surround = _most_common(_edge(self.samples))
        self.distance = _distance(self.samples, self.surround)
        self.farthest = float(self.distance.max(initial=0))

    def read(self) -> LesionMask:
        if self.farthest == 0:
            if self.surround.any():
                raise InputError(
                    f"{self.name} has the one value {_say(self.surround)} everywhere: it marks all or nothing; "
                    "leave it out where there is no such lesion."
                )
            return LesionMask(np.zeros(self.distance.shape, bool), 1)
        levels, counts = _count(self.distance)
        if 2 < len(levels) <= _FEW_LEVELS and (one := self._find_one_kind(levels, counts)) is not None:
            return one
        pixels = self.distance >= self.farthest / 2
        if len(levels) > 2:
            self._check_blurred()
        self._check_colors(pixels)
        return LesionMask(pixels, len(levels), self._judge(pixels))

    def _judge(self, pixels: np.ndarray) -> tuple[str, ...]:
        """Say which side was taken, or refuse."""
        share, at_edge = float(pixels.mean()) / self.field_share, float(_edge(pixels).mean())
        is_plain = not self.surround.any()
        if share > _MOST or (not is_plain and (share > _RARE_SHARE or at_edge > _EDGE_SHARE)):
            raise InputError(
                f"{self.name} cannot be interpreted: what is not {_say(self.surround)} covers {_percent(share)} of "
                f"the {self.whole}, and {_say(self.surround)} the rest; no lesion is that large, and it is not clear "
                "which side is the lesion. Save it white on black."
            )
        notes = []
        if not is_plain:
            notes.append(
                f"{self.name}: {_say(self.surround)} surrounds the rest and counts as background; the other side, "
                f"{_percent(share)} of the {self.whole}, was taken for the lesion."
            )
        if share > _RARE_SHARE:
            notes.append(
                f"{self.name} marks {_percent(share)} of the {self.whole}, which a lesion rarely covers; make sure "
                "that it marks the lesion and not the retina."
            )
        return tuple(notes)

    def _find_one_kind(self, levels: np.ndarray, counts: np.ndarray) -> LesionMask | None:
        """Of few levels tell soft edges from regions of several kinds; of these take the one that may be a lesion.

        Returns:
            None where the levels are soft edges.
        """
        shares = counts / counts.sum()
        regions = [number for number, level in enumerate(levels) if number == 0 or self._has_interior(level)]
        small = [number for number in regions[1:] if shares[number] <= _RARE_SHARE * self.field_share]
        if len(regions) > 2 and len(small) == 1 and len(small) + 2 == len(regions):
            pixels = self.distance == levels[small[0]]
            return LesionMask(
                pixels,
                len(levels),
                (
                    f"{self.name} marks the field of view, too; the smallest region, {_percent(pixels.mean())} of the "
                    "picture, was taken for the lesion.",
                ),
            )
        if self.farthest <= _LARGEST_LABEL or len(regions) > 2 or self._has_own_regions():
            raise InputError(
                f"{self.name} holds {len(levels) - 1} kinds of regions; save each lesion as a mask of its own, white "
                "on black."
            )
        return None

    def _has_interior(self, level: float) -> bool:
        """Whether pixels of a level lie among their like; those of a soft edge do not."""
        region = (self.distance == level).astype(np.uint8)
        return bool(cv2.erode(region, np.ones((3, 3), np.uint8)).sum() >= max(1.0, _INTERIOR * region.sum()))

    def _has_own_regions(self) -> bool:
        """Whether many regions hold no level that counts: kinds of their own, where soft edges hang on others."""
        marked = (self.distance > 0).astype(np.uint8)
        count, labels = cv2.connectedComponents(marked, connectivity=8)
        strong = np.unique(labels[self.distance >= self.farthest / 2])
        return (count - 1 - len(strong)) > max(1.0, _OWN_REGIONS * (count - 1))

    def _check_blurred(self) -> None:
        """Refuse a photograph: half of a mask has one value, and its edges are narrow."""
        near, far = self.distance <= 0.1 * self.farthest, self.distance >= 0.9 * self.farthest
        if near.mean() < _MOST or 1 - near.mean() - far.mean() > _BLURRED_SHARE:
            raise InputError(f"{self.name} is a picture of many levels, not a mask; save the lesion white on black.")

    def _check_colors(self, pixels: np.ndarray) -> None:
        """Refuse marks of different colors: they are different lesions."""
        if self.samples.ndim < 3 or not pixels.any():
            return
        marked = self.samples[pixels].astype(np.int64)
        codes = (marked // 32) @ np.array([4096, 64, 1])
        found, counts = np.unique(codes, return_counts=True)
        found = found[counts >= _COLOR_SHARE * len(marked)]
        colors = 32 * np.stack([found // 4096, found // 64 % 64, found % 64], axis=1)
        if len(colors) > 1 and np.ptp(colors, axis=0).max() >= _OTHER_COLOR:
            raise InputError(
                f"{self.name} marks in {len(colors)} colors; save each lesion as a mask of its own, white on black."
            )


def _to_numbers(samples: np.ndarray) -> np.ndarray:
    if samples.dtype == np.bool_:
        return samples.view(np.uint8)
    if samples.dtype in (np.uint8, np.uint16):
        return samples
    numbers = samples.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise ValueError("levels that are no numbers")
    return numbers


def _edge(picture: np.ndarray) -> np.ndarray:
    """The pixels at the picture's edge, (N,) or (N, C)."""
    sides = (picture[0], picture[-1], picture[1:-1, 0], picture[1:-1, -1])
    return np.concatenate(sides)


def _most_common(values: np.ndarray) -> np.ndarray:
    found, counts = np.unique(values, axis=0, return_counts=True)
    return np.atleast_1d(found[int(counts.argmax())])


def _distance(samples: np.ndarray, surround: np.ndarray) -> Levels:
    """Largest difference of a channel from the surround, (H, W)."""
    result: Levels
    if samples.ndim == 2:
        result = cv2.absdiff(samples, np.full_like(samples, surround[0]))
        return result
    parts = [_distance(np.ascontiguousarray(samples[..., n]), surround[n : n + 1]) for n in range(samples.shape[2])]
    result = np.maximum.reduce(parts)
    return result


def _count(distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Different levels, rising, and how many pixels have each; of bytes without sorting them."""
    if distance.dtype == np.uint8:
        counts = cv2.calcHist([distance], [0], None, [256], [0, 256]).ravel()
        return np.flatnonzero(counts), counts[counts > 0]
    return np.unique(distance, return_counts=True)


def _say(value: np.ndarray) -> str:
    """A level, or a color, in words."""
    if len(value) == 1:
        return f"{value[0]:g}"
    return "white" if (value == 255).all() else "black" if not value.any() else f"the color {tuple(map(int, value))}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"
