import hashlib
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from streamlit.testing.v1 import AppTest

from dr_core.analysis.attribution import RULES, Explainer
from dr_core.analysis.localization import pool, relevance_mass_accuracy, relevance_rank_accuracy
from dr_core.data.annotation import Stroke
from dr_core.data.fundus import find_field_of_view
from dr_core.data.grades import LESIONS
from dr_core.data.phantom import draw_phantom
from dr_core.data.protocol import PROTOCOLS, scale_mask
from dr_core.experiments.knockout import knock_out_eye
from dr_core.experiments.localization import LocalizeConfig, list_scores, localize_eyes
from dr_core.models.setups import SETUPS
from dr_ui.eyes.choice import FIRST_SAMPLE, SAMPLES
from dr_ui.shell import request_queue
from dr_ui.views.explain import next_case, screen
from dr_ui.views.explain.knockouts import signed
from tests.app.page_driver import encoded, html_of, upload
from tests.conftest import make_study

ROOT = Path(__file__).parents[2]
TOTAL = ("microaneurysms", "haemorrhages", "hard_exudates")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of two set-ups: each heatmap, with its controls, is computed for every one."""
    return make_study(tmp_path_factory.mktemp("pair") / "study", [SETUPS["iwne_cl"], SETUPS["ifi_cl"]])


@pytest.fixture
def page(monkeypatch, study):
    monkeypatch.setenv("DR_STUDY", str(study.path))
    monkeypatch.delenv("DR_IDRID", raising=False)
    return AppTest.from_file(ROOT / "pages" / "3_Explain.py", default_timeout=60)


def rows_of(app):
    """Letters of the lesion -> the cells' texts."""
    table = html_of(app).split('<table class="lens-scores">')[1]
    rows = re.findall(r'<tr><th scope="row"[^>]*>(.*?)</th>(.*?)</tr>', table)
    return {
        code: [re.sub("<.*?>", " ", cell).strip() for cell in re.findall("<td.*?</td>", cells)] for code, cells in rows
    }


def expected(study, lesions, *, pooling="sum_pos", target=3):
    """The table's row, computed without the app."""
    grade, seed = SAMPLES[FIRST_SAMPLE]
    phantom = draw_phantom(grade, 768, seed)
    field = find_field_of_view(phantom.image)
    columns = [[], []]
    for setup in study.setups:
        loaded = study.load_model(setup)
        way = loaded.info.preprocessing
        masks = [phantom.masks[one] for one in lesions]
        if tuple(lesions) == TOTAL:  # of the whole photograph, as `localize` takes it
            masks = [np.logical_or.reduce(masks)]
        scaled = [scale_mask(mask, way.size, crop=way.crop, rule="touched", field=field) for mask in masks]
        small = np.logical_or.reduce(scaled)
        on = torch.from_numpy(small)[None]
        heatmap = pool(
            Explainer(loaded.model, "alpha1_beta0").attribute(loaded.preprocess(phantom.image)[None], target), pooling
        )
        columns[0].append(float(relevance_mass_accuracy(heatmap, on)))
        columns[1].append(float(relevance_rank_accuracy(heatmap, on)))
    return columns


def shown(row):
    """Mass and rank accuracy of the set-ups, and their strongest controls, as they stand in a row."""
    pairs = [cell.split() for cell in row[1:]]
    values, controls = ([float(pair[at]) for pair in pairs] for at in (0, 1))
    half = len(pairs) // 2
    return [values[:half], values[half:]], [controls[:half], controls[half:]]


def close(row, wanted):
    found, _ = shown(row)
    return all(
        math.isclose(a, b, abs_tol=6e-4)
        for have, want in zip(found, wanted, strict=True)
        for a, b in zip(have, want, strict=True)
    )


def test_cold_it_shows_four_heatmaps_and_their_scores(monkeypatch, tiny_study):
    monkeypatch.setenv("DR_STUDY", str(tiny_study.path))
    app = AppTest.from_file(ROOT / "pages" / "3_Explain.py", default_timeout=60).run()
    assert not app.exception
    assert not app.error
    rows = rows_of(app)
    assert list(rows) == ["total", "MA", "HE", "EX", "SE"]
    assert close(rows["total"], expected(tiny_study, TOTAL))
    assert "% of the relevance lies on microaneurysms, haemorrhages and hard exudates" in html_of(app)
    assert "% on the optic disc" in html_of(app)


def test_the_strongest_control_stands_beside_each_number_and_best_needs_to_beat_it(page):
    """The models of this study are untrained: their controls are three networks of their own kind."""
    app = page.run()
    table = html_of(app).split('<table class="lens-scores">')[1].split("</table>")[0]
    assert "recall" not in table.lower()
    for cells in re.findall(r'<tr><th scope="row".*?</tr>', table):
        for cell in re.findall("<td( class=.*?)?>([0-9.]+)<small>([0-9.]+)</small></td>", cells):
            marked, value, control = cell
            assert not marked or float(value) > float(control)
    controls = html_of(app).split("Share of the relevance in the field of view on")[1]
    for name in ("a random map", "an untrained network (3)", "the edges of the picture", "its own map for", "macula"):
        assert name in controls
    assert "this method's map depends" in html_of(app)


def test_an_untrained_model_is_said_to_be_no_better_than_its_controls(page):
    app = page.run()
    said = html_of(app).split('class="lens-sentence ')[1].split("</p>")[0]
    assert "No model's heatmap lies on" in said or "No better than their strongest control" in said


def test_the_words_on_screen_are_the_fields_own(page):
    app = page.run()
    labels = {box.label for box in app.selectbox} | {group.label for group in app.button_group}
    assert {"Attribution method", "Target grade", "Channel pooling", "Lesions scored"} <= labels
    assert "Relevance mass (RMA)" in html_of(app)
    assert "Rank accuracy (RRA, CLEVR-XAI)" in html_of(app)


@pytest.mark.parametrize(
    "rule", [name for name, rule in RULES.items() if rule.passes <= 4 and rule.needs != "attention"]
)
def test_every_rule_has_its_heatmaps_controls_and_a_verdict(page, rule):
    app = page.run().selectbox(key="rule").set_value(rule).run()
    assert not app.exception
    if app.error:  # the last stage of these untrained models may have nothing to show
        assert f"No answer from {RULES[rule].label}, because" in app.error[0].value
        assert RULES[rule].family == "feature maps"
    else:
        assert f"{RULES[rule].label}: " in html_of(app)


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"lesions": ["HE"]}, {}),
        ({"lesions": ["MA", "SE"]}, {}),
        ({"pooling": "l2_norm_sq"}, {"pooling": "l2_norm_sq"}),
        ({"target": 4}, {"target": 4}),
    ],
)
def test_each_choice_gives_the_numbers_of_the_core(page, study, change, setting):
    app = page.run()
    key, value = next(iter(change.items()))
    places = {"lesions": app.button_group}
    place = places.get(key, app.selectbox)
    app = place(key=key).set_value(value).run()
    assert not app.exception
    codes = {"MA": "microaneurysms", "HE": "haemorrhages", "EX": "hard_exudates", "SE": "soft_exudates"}
    lesions = tuple(codes[code] for code in change.get("lesions", ["MA", "HE", "EX"]))
    first = next(iter(rows_of(app).values()))
    assert close(first, expected(study, lesions, **setting))


class DrawnEye:
    """The first sample, as `localize` reads an eye of IDRiD."""

    name = "drawn"
    phantom = draw_phantom(SAMPLES[FIRST_SAMPLE][0], 768, SAMPLES[FIRST_SAMPLE][1])

    def read_image(self):
        return self.phantom.image

    def read_mask(self, lesion):
        if lesion == "total":
            return np.logical_or.reduce([self.phantom.masks[one] for one in TOTAL])
        return self.phantom.masks[lesion]

    def read_disc(self):
        return None  # to be found in the photograph


@pytest.fixture(scope="module")
def localized(study):
    models = {setup: study.load_model(setup) for setup in study.setups}
    config = LocalizeConfig(poolings=("sum_pos",), controls=0)
    return next(iter(localize_eyes(models, [DrawnEye()], config))).scores


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_protocol_gives_the_numbers_of_localize(page, study, localized, protocol):
    app = page.run().radio(key="protocol").set_value(protocol).run()
    assert not app.exception
    heatmaps = localized[(localized["method"] == "lrp") & (localized["protocol"] == protocol)]
    rows = rows_of(app)
    for lesion, code in {"total": "total", "haemorrhages": "HE", "hard_exudates": "EX"}.items():
        wide = heatmaps[heatmaps["lesion"] == lesion].pivot_table(index="score", columns="setup", values="value")
        wanted = [[wide.loc[score, setup] for setup in study.setups] for score in list_scores()[:2]]
        assert close(rows[code], wanted)


def test_a_link_restores_the_view(page, study):
    for key, value in {
        "sample": FIRST_SAMPLE,
        "target": "grade 4: proliferative",
        "pooling": "squared length",
        "lesions": "EX",
    }.items():
        page.query_params[key] = value
    app = page.run()
    assert not app.exception
    assert close(rows_of(app)["EX"], expected(study, ["hard_exudates"], target=4, pooling="l2_norm_sq"))


def test_a_link_with_nonsense_still_opens(page):
    for key in ("sample", "target", "pooling", "rule", "protocol", "percentile", "lesions", "idrid"):
        page.query_params[key] = "nonsense"
    app = page.run()
    assert not app.exception
    assert not app.error
    assert "total" in rows_of(app)


def test_an_eye_without_lesions_has_nothing_to_measure(page):
    page.query_params["sample"] = "no DR"
    app = page.run()
    assert not app.exception
    assert not app.error
    assert "nothing to measure" in html_of(app)


def test_no_chosen_lesion_still_shows_each(page):
    app = page.run()
    app.button_group(key="lesions").set_value([])
    assert list(rows_of(app.run())) == ["MA", "HE", "EX", "SE"]


def test_an_upload_without_masks_is_shown_and_says_how_to_go_on(page):
    app = upload(page.run(), ("my eye.png", encoded(draw_phantom(3, 300, 5).image)))
    assert not app.error
    assert "Press “draw”" in app.info[0].value
    shown = html_of(app)
    assert "Share of the relevance in the field of view on the optic disc" in shown
    assert "an untrained network (1)" in shown
    assert 'aria-label="Scores"' not in shown


def test_an_upload_with_masks_is_measured(page):
    phantom = draw_phantom(3, 300, 1)
    masks = [("my eye_MA.png", phantom.masks["microaneurysms"]), ("my eye_EX.png", phantom.masks["hard_exudates"])]
    app = upload(page.run(), ("my eye.png", encoded(phantom.image)), *((name, encoded(mask)) for name, mask in masks))
    assert not app.error
    rows = rows_of(app)
    assert len(rows["MA"]) == len(rows["EX"]) == 1 + 2 * 2
    assert "nothing to measure" in rows["HE"][1]


def test_a_mask_of_the_disc_is_taken_for_the_disc_and_nothing_is_asked(page):
    phantom = draw_phantom(3, 300, 5)
    disc = np.zeros((300, 300), bool)
    disc[30:60, 230:260] = True  # where no phantom has it
    app = upload(page.run(), ("eye.png", encoded(phantom.image)))
    searched = html_of(app)
    app = upload(app, ("eye.png", encoded(phantom.image)), ("eye_OD.png", encoded(disc)))
    assert not app.error
    assert "photograph" not in [box.key for box in app.selectbox]
    regions = re.compile(r'<th scope="row">the optic disc</th>.*?</tr>')
    assert regions.findall(html_of(app)) != regions.findall(searched)


def test_what_was_drawn_counts_as_lesion_and_is_there_on_every_visit(page):
    content = encoded(draw_phantom(3, 300, 5).image)
    app = upload(page.run(), ("eye.png", content))
    assert next(one for one in app.get("download_button") if one.label == "Lesion masks (ZIP)").proto.disabled
    corners = ((0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6))
    strokes = tuple(Stroke(lesion=lesion, erases=False, corners=corners) for lesion in ("haemorrhages", ""))
    app.session_state["drawings"] = {hashlib.sha256(content).hexdigest(): strokes}
    rows = rows_of(app.run())
    assert not app.exception
    assert list(rows)[:2] == ["region", "total"]
    assert rows["region"][1:] == rows["HE"][1:]
    assert "nothing to measure" in rows["MA"][1]


@pytest.mark.parametrize(
    ("shape", "said"), [((200, 300), "it belongs to another eye"), ((150, 150), "it was made smaller or larger")]
)
def test_masks_of_another_eye_are_a_sentence(page, shape, said):
    phantom = draw_phantom(3, 300, 5)
    app = upload(page.run(), ("eye.png", encoded(phantom.image)), ("eye_HE.png", encoded(np.ones(shape, bool))))
    assert not app.exception
    assert said in app.error[0].value


def test_an_empty_mask_and_one_with_gray_levels_are_said(page):
    phantom = draw_phantom(3, 300, 5)
    gray = np.zeros((300, 300), np.uint8)
    gray[140:160, 100:124] = np.linspace(1, 255, 24).astype(np.uint8)
    files = [
        ("eye.png", encoded(phantom.image)),
        ("eye_HE.png", encoded(np.zeros((300, 300), np.uint8))),
        ("eye_EX.png", encoded(gray)),
    ]
    app = upload(page.run(), *files)
    assert not app.error
    assert "The mask eye_HE.png is empty" in html_of(app)
    assert "The mask eye_EX.png has 25 gray levels" in html_of(app)
    assert "nothing to measure" in rows_of(app)["HE"][1]


@pytest.mark.parametrize("company", [False, True])
def test_the_next_eye_is_computed_ahead_where_nobody_waits(page, monkeypatch, company):
    found = []
    monkeypatch.setattr(request_queue, "has_company", lambda: company)
    monkeypatch.setattr(next_case.controls, "controls", lambda specimen, *_: found.append(specimen.eye.name))
    monkeypatch.setattr(screen, "_show_scores", lambda *_: None)
    app = upload(page.run(), *((f"{n}.png", encoded(draw_phantom(3, 160, n).image)) for n in range(2)))
    assert not app.exception
    assert found == ([] if company else ["1.png"])


def test_masks_alone_ask_for_the_photograph(page):
    app = upload(page.run(), ("eye_HE.png", encoded(np.zeros((300, 300), np.uint8))))
    assert "add the photograph" in app.error[0].value


def test_a_file_whose_name_tells_nothing_can_be_chosen_as_mask(page):
    phantom = draw_phantom(3, 300, 5)
    app = upload(
        page.run(), ("eye.png", encoded(phantom.image)), ("bleeding.png", encoded(phantom.masks["haemorrhages"]))
    )
    assert "Press “draw”" in app.info[0].value
    box = next(box for box in app.selectbox if box.label == "What does the mask bleeding.png mark?")
    app = box.set_value("haemorrhages").run()
    assert not app.error
    assert len(rows_of(app)["HE"]) == 1 + 2 * 2


def test_two_masks_of_one_lesion_are_a_sentence(page):
    phantom = draw_phantom(3, 300, 5)
    one = encoded(phantom.masks["haemorrhages"])
    app = upload(page.run(), ("eye.png", encoded(phantom.image)), ("eye_HE.png", one), ("other_HE.png", one))
    assert "are both masks of haemorrhages" in app.error[0].value


def test_a_file_name_is_text_and_never_html(page):
    name = '"><img src=x onerror=alert(1)>'
    content = encoded(draw_phantom(1, 160, 5).image)
    app = upload(page.run(), (f"{name}.png", content), (f"{name}_HE.png", encoded(np.zeros((160, 160), bool))))
    assert not app.error
    assert "<img src=x" not in html_of(app)


def test_a_real_eye_is_offered_where_its_folder_is_named(page, monkeypatch, shared_data):
    monkeypatch.setenv("DR_IDRID", str(shared_data / "idrid"))
    page.query_params["idrid"] = "IDRiD_03"
    app = page.run()
    assert not app.error
    assert app.selectbox(key="idrid").options[0] == "IDRiD_01"
    assert len(rows_of(app)["EX"]) == 1 + 2 * 2


def test_a_folder_without_real_eyes_is_a_sentence(page, monkeypatch, tmp_path):
    monkeypatch.setenv("DR_IDRID", str(tmp_path / "nowhere"))
    assert "There is no folder" in page.run().error[0].value


def test_a_grade_that_a_model_lacks_is_a_sentence(monkeypatch, tmp_path, study):
    import shutil

    from dr_core.data.preprocessing import Preprocessing
    from dr_core.models.architectures import build_backbone
    from dr_core.models.checkpoint import CheckpointInfo, save_model

    folder = tmp_path / "three"
    shutil.copytree(study.path, folder)
    info = CheckpointInfo(
        arch="resnet50_slim",
        setup="ifi_cl",
        preprocessing=Preprocessing(size=64),
        validation_auc=0.5,
        training_data="nothing",
        data_fingerprint="",
        classes=("a", "b", "c"),
    )
    save_model(folder / "checkpoints" / "ifi_cl.safetensors", build_backbone("resnet50_slim", 3, 0), info)
    monkeypatch.setenv("DR_STUDY", str(folder))
    app = AppTest.from_file(ROOT / "pages" / "3_Explain.py", default_timeout=60).run()
    assert not app.exception
    assert not app.error
    assert "because this model has 3 outputs, the grades 0 to 2" in html_of(app)
    _, own, *_ = re.findall(r"<td.*?</td>", html_of(app).split('<table class="lens-scores">')[1])
    assert "no answer" not in own  # the other keeps its own
    assert html_of(app).count('title="no answer from this model"') >= 2
    app = app.selectbox(key="target").set_value(2).run()
    assert "because this model has 3 outputs" not in html_of(app)


def test_without_models_the_command_is_named(monkeypatch, tmp_path, study):
    from dr_core.study.folder import write_study_info

    write_study_info(tmp_path / "bare", study.info)
    monkeypatch.setenv("DR_STUDY", str(tmp_path / "bare"))
    app = AppTest.from_file(ROOT / "pages" / "3_Explain.py", default_timeout=60).run()
    assert "no trained model yet" in app.error[0].value


def test_a_model_that_the_fast_engine_does_not_know_is_said(monkeypatch, tmp_path, study):
    import shutil

    folder = tmp_path / "unknown"
    shutil.copytree(study.path, folder)
    monkeypatch.setenv("DR_STUDY", str(folder))
    monkeypatch.setattr(
        "dr_core.analysis.attribution.explainer.why_unknown", lambda model: "it has layers of type GELU"
    )
    app = AppTest.from_file(ROOT / "pages" / "3_Explain.py", default_timeout=60).run()
    assert not app.error
    assert "IFI-CL: it has layers of type GELU; zennit, the slower reference, drew its heatmap." in html_of(app)
    assert close(rows_of(app)["total"], expected(study, TOTAL))


@pytest.fixture
def one_silent(monkeypatch, tmp_path, study):
    """A study one of whose models lets nothing through: its heatmap is zero everywhere."""
    import shutil

    from dr_core.models.checkpoint import save_model

    folder = tmp_path / "silent"
    shutil.copytree(study.path, folder)
    loaded = study.load_model("iwne_cl")
    loaded.model.fc.weight.data.zero_()
    save_model(folder / "checkpoints" / "iwne_cl.safetensors", loaded.model, loaded.info)
    monkeypatch.setenv("DR_STUDY", str(folder))
    return AppTest.from_file(ROOT / "pages" / "3_Explain.py", default_timeout=60)


def test_a_map_of_zeros_blanks_its_own_panel_only(one_silent):
    app = one_silent.run()
    assert not app.exception
    assert not app.error
    shown = html_of(app)
    assert "IWNE-CL: No answer from LRP alpha1-beta0, because its map is zero everywhere" in shown
    cells = [cell.split() for cell in rows_of(app)["total"][1:]]
    assert [cell[0] == "–" for cell in cells] == [True, False] * 2
    assert "% of the relevance lies on" in shown
    app.button(key="eye_report").click().run()
    assert not app.exception
    assert not app.error


def test_a_mask_outside_the_field_of_view_has_nothing_to_measure(page):
    phantom = draw_phantom(3, 300, 5)
    corner = np.zeros((300, 300), bool)
    corner[:8, :8] = True
    app = upload(page.run(), ("my eye.png", encoded(phantom.image)), ("my eye_HE.png", encoded(corner)))
    assert not app.exception
    assert not app.error
    assert "nothing to measure" in html_of(app)
    assert "▲" not in rows_of(app)["HE"]


def test_a_method_is_checked_on_the_eye_that_is_looked_at(page):
    app = page.run()
    app = app.toggle(key="sanity").set_value(True).run()
    assert not app.exception
    assert not app.error
    shown = html_of(app)
    assert "randomized down to layer4" in shown
    assert "target “no DR”" in shown
    assert shown.count("LRP alpha1-beta0: this method's map") >= 2


def test_what_the_study_measured_over_many_eyes_stands_below(monkeypatch, tmp_path, study):
    import shutil

    from dr_core.experiments.registry import EXPERIMENTS
    from dr_core.study.folder import open_study

    folder = tmp_path / "measured"
    shutil.copytree(study.path, folder)
    run = {"setup": "ifi_cl", "seed": 0, "fraction": 100, "rule": "alpha1_beta0"}
    rest = {"low": 0.1, "high": 0.3, "n": 7}
    ranks = [
        run | {"check": check, "step": step, "measure": "spearman", "value": value} | rest
        for check, step, value in (
            ("cascade", "fc", 0.97),
            ("cascade", "layer4", 0.91),
            ("cascade", "conv1", 0.42),
            ("class", "0", 0.87),
        )
    ]
    areas = [run | {"fill": "road", "method": name, "value": 0.2} | rest for name in ("lrp", "edges", "beyond control")]
    assert {"sanity", "faithfulness"} <= set(EXPERIMENTS)  # their tables are known once they are
    study = open_study(folder)
    study.write_results("sanity_summary", pd.DataFrame(ranks))
    study.write_results("faithfulness_summary", pd.DataFrame(areas))
    monkeypatch.setenv("DR_STUDY", str(folder))
    shown = html_of(AppTest.from_file(ROOT / "pages" / "3_Explain.py", default_timeout=60).run())
    assert "<td>0.91</td><td>0.42</td><td>0.87</td>" in shown
    assert "this method's map depends little on the target grade" in shown
    assert "the heatmap minus its strongest control" in shown
    assert '<td class="lens-best">+0.20<small>+0.10 to +0.30</small></td>' in shown


def test_a_lesion_painted_out_on_the_page_gives_the_numbers_of_the_experiment(page, study):
    phantom = draw_phantom(SAMPLES[FIRST_SAMPLE][0], 768, SAMPLES[FIRST_SAMPLE][1])
    disc = phantom.landmarks.mark_disc(phantom.image.shape[:2])
    models = {setup: study.load_model(setup) for setup in study.setups}
    rows = pd.DataFrame(
        knock_out_eye(f"phantom, {FIRST_SAMPLE}", phantom.image, phantom.masks, models, controls=5, seed=0, disc=disc)
    )
    rows["change"] = rows["after"] - rows["before"]
    app = page.run().toggle(key="knockout").set_value(True).run()
    assert not app.exception
    assert not app.error
    table = html_of(app).split('aria-label="Knock-out"')[1]
    assert "when the same area of healthy retina is painted out, 5 times" in table
    assert "Change of P(severe)" in table
    assert "Change of P(referable: grades 2 to 4)" in table
    shown = dict(re.findall(r'<tr class="lens-removed"><th scope="row">(\w+)</th>(.*?)</tr>', table))
    drawn = {LESIONS[name].code for name, mask in phantom.masks.items() if mask.any()}
    assert set(shown) == {"all"} | drawn
    for code, cells in shown.items():
        lesion = "total" if code == "all" else next(name for name, of in LESIONS.items() if of.code == code)
        wanted = []
        for measure in ("severe", "referable_2"):
            for setup in study.setups:
                part = rows[(rows["lesion"] == lesion) & (rows["measure"] == measure) & (rows["setup"] == setup)]
                controls = part.loc[(part["kind"] == "control") & (part["weight"] > 0), "change"]
                ends = f"{signed(controls.min())} to {signed(controls.max())}" if len(controls) else "no control"
                wanted.append((signed(part.loc[part["kind"] == "removed", "change"].item()), ends))
        assert re.findall(r"<td[^>]*>([^<]*)<small>([^<]*)</small></td>", cells) == wanted


def test_faithfulness_is_measured_live_beside_its_controls(page, study):
    app = page.run()
    app = app.toggle(key="faithfulness").set_value(True).run()
    assert not app.exception
    assert not app.error
    shown = html_of(app)
    assert shown.count("area between the curves") == len(study.setups)
    assert shown.count("strongest control +") + shown.count("strongest control -") == len(study.setups)
