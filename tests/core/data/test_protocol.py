import cv2
import numpy as np
import pytest

from dr_core.data.fundus import find_field_of_view
from dr_core.data.idrid import load_segmentation
from dr_core.data.phantom import draw_phantom
from dr_core.data.protocol import PROTOCOLS, scale_mask, view_with_masks
from dr_core.errors import InputError

LESIONS = ("microaneurysms", "haemorrhages", "hard_exudates", "total")

# FACTS: mean / median share of the mask over the eyes that have the lesion, the 20 full-size IDRiD eyes.
SHARES = {
    "native": ((0.0012, 0.0009), (0.0115, 0.0039), (0.0132, 0.0103), (0.0258, 0.0153)),
    "touched 224": ((0.0074, 0.0061), (0.0201, 0.0103), (0.0403, 0.0359), (0.0667, 0.0553)),
    "area 224": ((0.0043, 0.0037), (0.0165, 0.0072), (0.0294, 0.0252), (0.0499, 0.0390)),
    "touched 512": ((0.0033, 0.0027), (0.0150, 0.0064), (0.0250, 0.0210), (0.0432, 0.0324)),
}


def test_shares_of_the_real_masks_to_the_digits_shown(shared_data):
    """The control rows of the paper's Table 3 follow from the squashed 224 px masks; that is why `paper` is so."""
    shares = {name: {lesion: [] for lesion in LESIONS} for name in SHARES}
    for eye in load_segmentation(shared_data / "idrid"):
        for lesion in LESIONS:
            mask = eye.read_mask(lesion)
            if mask.any():
                shares["native"][lesion].append(mask.mean())
                shares["touched 224"][lesion].append(PROTOCOLS["paper"].mask(mask).mean())
                area = cv2.resize(mask.astype(np.float32), (224, 224), interpolation=cv2.INTER_AREA)
                shares["area 224"][lesion].append((area > 0).mean())
                shares["touched 512"][lesion].append(scale_mask(mask, 512, crop="squash", rule="touched").mean())
    for name, expected in SHARES.items():
        found = [(np.mean(values), np.median(values)) for values in shares[name].values()]
        assert np.round(found, 4).tolist() == np.array(expected).tolist(), name


def test_paper_squashes_and_widens_and_fine_crops_and_keeps_the_area():
    phantom = draw_phantom(3, 700, 4)
    image = np.pad(phantom.image, ((0, 0), (100, 50), (0, 0)))
    masks = {lesion: np.pad(mask, ((0, 0), (100, 50))) for lesion, mask in phantom.masks.items()}
    field = find_field_of_view(image)
    of_square = {"paper": masks["haemorrhages"].mean(), "fine": masks["haemorrhages"].sum() / (2 * field.radius) ** 2}
    for name, grows in (("paper", True), ("fine", False)):
        view, scaled = view_with_masks(PROTOCOLS[name], image, masks)
        size = PROTOCOLS[name].size
        assert view.shape == (size, size, 3)
        assert all(mask.shape == (size, size) and mask.dtype == bool for mask in scaled.values())
        ratio = scaled["haemorrhages"].mean() / of_square[name]
        assert (ratio > 1.3) if grows else ratio == pytest.approx(1, abs=0.08)


def test_masks_lie_where_the_lesions_are():
    """By the median of eight eyes: haze and low contrast hide the exudates of some."""
    contrasts = []
    for seed in range(8):
        phantom = draw_phantom(3, 500, seed)
        view, masks = view_with_masks(PROTOCOLS["fine"], phantom.image, phantom.masks)
        exudates = masks["hard_exudates"]
        beside = np.roll(exudates, 12, axis=1) & ~exudates
        if exudates.any():
            contrasts.append(view[exudates][:, 1].mean() / view[beside][:, 1].mean())
    assert len(contrasts) > 4
    assert np.median(contrasts) > 1.15


def test_a_single_pixel_by_hand():
    mask = np.zeros((8, 8), bool)
    mask[2, 5] = True
    assert scale_mask(mask, 4, crop="squash", rule="touched").sum() == 4  # its own pixel and the three it reaches
    assert not scale_mask(mask, 4, crop="squash", rule="half").any()  # a quarter of a pixel
    mask[2:4, 5] = True
    assert np.argwhere(scale_mask(mask, 4, crop="squash", rule="half")).tolist() == [[1, 2]]


def test_bad_masks_are_refused():
    image = draw_phantom(0, 200, 1).image
    with pytest.raises(InputError, match="has 150x200 pixels, the photograph 200x200"):
        view_with_masks(PROTOCOLS["paper"], image, {"hard_exudates": np.zeros((200, 150), bool)})
    with pytest.raises(InputError, match="two axes"):
        PROTOCOLS["paper"].mask(np.zeros((8, 8, 3), bool))
    with pytest.raises(InputError, match="field"):
        PROTOCOLS["fine"].mask(np.zeros((8, 8), bool))
