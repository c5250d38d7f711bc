"""Optic disc and fovea: what phantoms know, and how far the detector errs on them and on photographs."""

import numpy as np
import pytest

from dr_core.data.fundus import find_field_of_view, find_landmarks, read_fundus
from dr_core.data.intake.lesion_mask import decode_mask
from dr_core.data.phantom import draw_phantom
from dr_core.data.phantom.patient import sample_style
from dr_core.seeds import numpy_generator


def distance(found, known):
    return float(np.hypot(found[0] - known[0], found[1] - known[1]))


def test_a_phantom_knows_its_disc_at_any_size():
    small, large = draw_phantom(2, 64, 7).landmarks, draw_phantom(2, 512, 7)
    scaled = small.scale(8)
    assert scaled.disc == pytest.approx(large.landmarks.disc)
    assert scaled.fovea == pytest.approx(large.landmarks.fovea)
    assert scaled.disc_radius == pytest.approx(large.landmarks.disc_radius)
    disc = large.landmarks.mark_disc((512, 512))
    assert disc.sum() == pytest.approx(np.pi * large.landmarks.disc_radius**2, rel=0.02)
    assert large.image[disc].mean() > large.image[large.landmarks.mark_fovea((512, 512))].mean()


def test_the_detector_finds_the_disc_and_the_fovea_of_phantoms():
    """The fovea is looked for where a field of some 45 degrees has it, so only such fields count for it."""
    within, usual = [], []
    for seed in range(40):
        camera = sample_style(numpy_generator(seed, "style")).camera
        phantom = draw_phantom(seed % 5, 256, seed)
        known, found = phantom.landmarks, find_landmarks(phantom.image, find_field_of_view(phantom.image))
        assert not known.found
        usual.append(38 < camera.angle < 56)
        if found is None:  # no field of view: a flooded or very dark picture
            within.append((False, False))
            continue
        assert found.found
        apart = distance(found.disc, known.disc), distance(found.fovea, known.fovea)
        within.append(tuple(length < known.disc_radius for length in apart))
    found_disc, found_fovea = np.array(within).T
    assert found_disc.mean() >= 0.8
    assert sum(usual) > 15
    assert found_fovea[usual].mean() >= 0.75


def test_a_mask_says_where_the_disc_is():
    known = draw_phantom(2, 256, 7).landmarks
    moved = known.with_disc(known.mark_disc((256, 256)))
    assert moved.disc == pytest.approx(known.disc, abs=0.5)
    assert moved.disc_radius == pytest.approx(known.disc_radius, rel=0.02)
    assert moved.fovea == known.fovea


def test_without_a_field_of_view_nothing_is_found():
    black = np.zeros((100, 100, 3), np.uint8)
    assert find_landmarks(black, find_field_of_view(black)) is None


def test_the_error_on_idrid_is_what_the_documentation_says(full_size_eyes):
    errors, overlaps = [], []
    for path in full_size_eyes[::4]:
        image = read_fundus(path)
        masks = path.parents[2] / "2. All Segmentation Groundtruths" / path.parent.name
        path_of_disc = masks / "5. Optic Disc" / f"{path.stem}_OD.tif"
        disc = decode_mask(path_of_disc.name, path_of_disc.read_bytes()).pixels
        rows, columns = np.nonzero(disc)
        found = find_landmarks(image, find_field_of_view(image))
        errors.append(distance(found.disc, (columns.mean(), rows.mean())) / np.sqrt(disc.sum() / np.pi))
        marked = found.mark_disc(disc.shape)
        overlaps.append(2 * (marked & disc).sum() / (marked.sum() + disc.sum()))
    assert max(errors) < 0.6  # of 20 eyes: median 0.20 disc radii, largest 0.54
    assert np.median(overlaps) > 0.8  # median Dice 0.86
