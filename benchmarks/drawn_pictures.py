"""Pictures that are no fundus, drawn: what the judgement "no fundus" is tuned on (some seeds) and tried on (others).

Each kind is drawn with random colors, sizes, light, blur and noise, in color and in gray; one seed gives one picture.
"""

from collections.abc import Callable

import cv2
import numpy as np

from dr_core.data.textures import TEXTURE_CLASSES, draw_texture
from dr_core.seeds import numpy_generator

Generator = np.random.Generator

_WORDS = (
    "the",
    "eye",
    "was",
    "seen",
    "by",
    "a",
    "nurse",
    "12",
    "March",
    "2024",
    "OCT",
    "acuity",
    "0.8",
    "right",
    "left",
)


def _color(generator: Generator, low: int = 0, high: int = 255) -> tuple[int, ...]:
    return tuple(int(value) for value in generator.integers(low, high + 1, 3))


def _light(generator: Generator, shape: tuple[int, ...], spread: float) -> np.ndarray:
    """Uneven light, float (H, W, 1)."""
    small = generator.normal(1, spread, (3, 3)).astype(np.float32)
    return cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)[..., None]


def _finish(generator: Generator, image: np.ndarray) -> np.ndarray:
    """Light, blur and noise, as a camera adds them."""
    image = image.astype(np.float32) * _light(generator, image.shape, generator.uniform(0, 0.15))
    image = cv2.GaussianBlur(image, (0, 0), generator.uniform(0.3, 1.5))
    return np.clip(image + generator.normal(0, generator.uniform(0, 8), image.shape), 0, 255).astype(np.uint8)


def _shape(generator: Generator) -> tuple[int, int]:
    height, width = generator.integers(300, 800, 2)
    return int(height), int(width)


def draw_text(generator: Generator) -> np.ndarray:
    """A page, a screen or a label, light on dark or dark on light."""
    height, width = _shape(generator)
    ink, paper = _color(generator, 0, 90), _color(generator, 165)
    if generator.random() < 0.3:
        ink, paper = paper, ink
    image = np.full((height, width, 3), paper, np.uint8)
    scale, row = generator.uniform(0.4, 2.0), 0.0
    font = int(generator.integers(0, 8))
    while (row := row + 32 * scale) < height:
        if generator.random() < 0.85:
            words = " ".join(generator.choice(_WORDS, int(generator.integers(2, 14))))
            thick = max(1, round(scale * generator.uniform(0.8, 2)))
            start = (int(generator.uniform(0, 0.2) * width), int(row))
            cv2.putText(image, words, start, font, scale, ink, thick, cv2.LINE_AA)
    return _finish(generator, image)


def draw_face(generator: Generator) -> np.ndarray:
    """A face from the front, before a light, dark or colored wall."""
    height, width = _shape(generator)
    wall = _color(generator) if generator.random() < 0.7 else _color(generator, 0, 20)
    image = np.full((height, width, 3), wall, np.float32)
    red = generator.uniform(90, 245)
    skin = np.array([red, red * generator.uniform(0.6, 0.85), red * generator.uniform(0.4, 0.75)])
    size = min(height, width) * generator.uniform(0.25, 0.48)
    x, y = width / 2 + generator.normal(0, 0.05) * width, height / 2 + generator.normal(0, 0.05) * height

    def ellipse(dx: float, dy: float, rx: float, ry: float, color: np.ndarray | tuple[int, ...]) -> None:
        center = (int(x + dx * size), int(y + dy * size))
        axes = (max(1, int(rx * size)), max(1, int(ry * size)))
        cv2.ellipse(image, center, axes, 0, 0, 360, tuple(map(float, color)), -1, cv2.LINE_AA)

    hair = _color(generator, 0, 110)
    wide = generator.uniform(0.7, 0.9)
    if generator.random() < 0.85:
        ellipse(0, -0.15, wide + 0.15, 1.05, hair)
    cv2.rectangle(
        image, (int(x - 0.35 * size), int(y)), (int(x + 0.35 * size), height), tuple(map(float, 0.9 * skin)), -1
    )
    ellipse(0, 0, wide, 1, skin)
    for side in (-1, 1):
        ellipse(side * 0.33, -0.2, 0.16, 0.08, (235, 235, 235))
        ellipse(side * 0.33, -0.2, 0.07, 0.07, _color(generator, 20, 120))
        ellipse(side * 0.33, -0.2, 0.03, 0.03, (5, 5, 5))
        ellipse(side * 0.33, -0.38, 0.2, 0.03, hair)
        ellipse(side * 0.45, 0.15, 0.2, 0.15, skin * (1.05, 0.9, 0.9))
    ellipse(0, 0.12, 0.09, 0.2, 0.85 * skin)
    ellipse(0, 0.5, generator.uniform(0.2, 0.35), generator.uniform(0.04, 0.12), skin * (1.0, 0.55, 0.6))
    image = cv2.GaussianBlur(image, (0, 0), size * generator.uniform(0.002, 0.05))
    return _finish(generator, image)


def draw_oct(generator: Generator) -> np.ndarray:
    """A slice of optical coherence tomography: bright layers with speckle, gray or in false colors."""
    height, width = _shape(generator)
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.arange(height, dtype=np.float32)[:, None]
    pit = generator.uniform(0, 0.15) * height * np.exp(-((x - generator.uniform(-0.3, 0.3)) ** 2) / 0.03)
    top = height * (0.35 + generator.uniform(-0.2, 0.2) * x**2) + pit
    image = np.full((height, width), generator.uniform(5, 40), np.float32)
    depth = 0.0
    for _ in range(int(generator.integers(4, 9))):
        thick = generator.uniform(0.01, 0.07) * height
        inside = (y >= top + depth) & (y < top + depth + thick)
        image = np.where(inside, generator.uniform(40, 230), image)
        depth += thick
    image *= generator.gamma(4, 0.25, image.shape)
    image = cv2.GaussianBlur(image, (0, 0), generator.uniform(0.5, 2)).clip(0, 255).astype(np.uint8)
    if generator.random() < 0.7:
        return np.repeat(image[..., None], 3, axis=2)
    map_ = int(generator.choice([cv2.COLORMAP_JET, cv2.COLORMAP_HOT, cv2.COLORMAP_BONE, cv2.COLORMAP_INFERNO]))
    return np.ascontiguousarray(cv2.applyColorMap(image, map_)[..., ::-1])


def draw_gray_noise(generator: Generator) -> np.ndarray:
    """Noise of any grain, whole or in a round field."""
    height, width = _shape(generator)
    grain = int(generator.integers(1, 40))
    small = generator.normal(
        generator.uniform(60, 190), generator.uniform(10, 70), (height // grain + 1, width // grain + 1)
    )
    image = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.repeat(_in_disc(generator, image.clip(0, 255).astype(np.uint8)[..., None], 0.4), 3, axis=2)


def _in_disc(generator: Generator, image: np.ndarray, chance: float) -> np.ndarray:
    """Black outside a disc, sometimes."""
    if generator.random() >= chance:
        return image
    height, width = image.shape[:2]
    disc = np.zeros((height, width), np.uint8)
    radius = int(min(height, width) * generator.uniform(0.4, 0.55))
    cv2.circle(disc, (width // 2, height // 2), radius, 1, -1)
    return (image * disc[..., None]).astype(np.uint8)


def draw_texture_picture(generator: Generator) -> np.ndarray:
    """A texture of the pretraining's stand-in, whole or in a round field."""
    label, seed = int(generator.integers(len(TEXTURE_CLASSES))), int(generator.integers(2**31))
    return _in_disc(generator, draw_texture(label, 384, seed), 0.2)


def draw_thing(generator: Generator) -> np.ndarray:
    """Something round on a dark ground: fruit, lamp, moon; one color, shaded, spotted."""
    height, width = _shape(generator)
    image = np.full((height, width, 3), _color(generator, 0, 15), np.float32)
    red = generator.uniform(120, 250)
    color = np.array([red, red * generator.uniform(0.2, 1.0), red * generator.uniform(0, 1.0)], np.float32)
    radius, y, x = min(height, width) * generator.uniform(0.3, 0.5), *np.indices((height, width), np.float32)
    distance = np.hypot(y - height / 2, x - width / 2) / radius
    shade = np.clip(1 - generator.uniform(0, 0.8) * distance**2, 0, 1)[..., None]
    image = np.where((distance < 1)[..., None], color * shade, image)
    for _ in range(int(generator.integers(0, 60))):
        angle, far = generator.uniform(0, 2 * np.pi), np.sqrt(generator.uniform(0, 0.85))
        at = (int(width / 2 + far * radius * np.cos(angle)), int(height / 2 + far * radius * np.sin(angle)))
        spot = tuple(map(float, color * generator.uniform(0.6, 1.1)))
        cv2.circle(image, at, int(generator.uniform(1, 0.06 * radius)), spot, -1, cv2.LINE_AA)
    return _finish(generator, image)


def draw_outer_eye(generator: Generator) -> np.ndarray:
    """The eye from outside: skin, lids, white, iris, pupil."""
    height, width = _shape(generator)
    red = generator.uniform(120, 235)
    skin = (red, red * generator.uniform(0.6, 0.85), red * generator.uniform(0.45, 0.75))
    image = np.full((height, width, 3), skin, np.float32)
    x, y, size = width // 2, height // 2, min(height, width) * generator.uniform(0.3, 0.49)
    white = (235.0, generator.uniform(205, 235), generator.uniform(200, 230))
    cv2.ellipse(image, (x, y), (int(size * 1.3), int(size * 0.6)), 0, 0, 360, white, -1, cv2.LINE_AA)
    cv2.circle(image, (x, y), int(0.5 * size), tuple(map(float, _color(generator, 20, 150))), -1, cv2.LINE_AA)
    for angle in np.arange(0, 2 * np.pi, 0.15):
        end = (int(x + 0.48 * size * np.cos(angle)), int(y + 0.48 * size * np.sin(angle)))
        cv2.line(image, (x, y), end, tuple(map(float, _color(generator, 20, 150))), 1, cv2.LINE_AA)
    cv2.circle(image, (x, y), int(0.22 * size), (8, 8, 8), -1, cv2.LINE_AA)
    for at in np.arange(x - 1.2 * size, x + 1.2 * size, 0.06 * size):
        lift = 0.6 * size * np.sqrt(max(0.0, 1 - ((at - x) / (1.3 * size)) ** 2))
        top = (int(at + generator.normal(0, 0.05) * size), int(y - lift - generator.uniform(0.1, 0.3) * size))
        cv2.line(image, (int(at), int(y - lift)), top, (25, 20, 15), 2, cv2.LINE_AA)
    return _finish(generator, image)


def draw_skin(generator: Generator) -> np.ndarray:
    """Skin with moles and hairs, as a dermatoscope sees it."""
    height, width = _shape(generator)
    red = generator.uniform(150, 240)
    skin = np.array([red, red * generator.uniform(0.55, 0.85), red * generator.uniform(0.45, 0.75)], np.float32)
    image = np.full((height, width, 3), skin, np.float32)
    for _ in range(int(generator.integers(1, 3))):
        at = (int(width * generator.uniform(0.3, 0.7)), int(height * generator.uniform(0.3, 0.7)))
        axes = tuple(int(min(height, width) * generator.uniform(0.08, 0.25)) for _ in range(2))
        mole = tuple(map(float, skin * generator.uniform(0.25, 0.7)))
        cv2.ellipse(image, at, axes, generator.uniform(0, 180), 0, 360, mole, -1, cv2.LINE_AA)
    image = cv2.GaussianBlur(image, (0, 0), generator.uniform(2, 8))
    for _ in range(int(generator.integers(0, 15))):
        ends = [(int(generator.uniform(0, width)), int(generator.uniform(0, height))) for _ in range(2)]
        cv2.line(image, ends[0], ends[1], tuple(map(float, skin * 0.3)), int(generator.integers(1, 4)), cv2.LINE_AA)
    return _in_disc(generator, _finish(generator, image), 0.3)


def draw_landscape(generator: Generator) -> np.ndarray:
    """Sky over land, sometimes at sunset."""
    height, width = _shape(generator)
    horizon = int(height * generator.uniform(0.3, 0.7))
    sky, low, land = (np.array(_color(generator, *span), np.float32) for span in ((60, 255), (80, 255), (10, 140)))
    fall = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    image = np.ones((1, width, 1), np.float32) * (sky * (1 - fall) + low * fall)
    hills = horizon + np.cumsum(generator.normal(0, 2, width))
    image = np.where((np.arange(height)[:, None] > hills)[..., None], land, image)
    return _finish(generator, image)


KINDS: dict[str, Callable[[Generator], np.ndarray]] = {
    "textures": draw_texture_picture,
    "text": draw_text,
    "faces": draw_face,
    "OCT slices": draw_oct,
    "gray noise": draw_gray_noise,
    "round things": draw_thing,
    "outer eyes": draw_outer_eye,
    "skin": draw_skin,
    "landscapes": draw_landscape,
}
"""Name of a kind -> how one is drawn."""


def draw_picture(kind: str, seed: int) -> np.ndarray:
    """Draw one picture that is no fundus, uint8 (H, W, 3); the same kind and seed give the same bytes."""
    return KINDS[kind](numpy_generator(seed, "no fundus", kind))
