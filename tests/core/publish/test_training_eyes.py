"""What a model was trained on has the title of its study's eyes."""

from dr_core.publish.training_eyes import name_training_eyes
from dr_core.study.folder import DataSet, write_study_info
from tests.core.study.test_folder import make_info


def test_training_eyes_have_the_title_of_the_study(tmp_path):
    phantoms = DataSet(key="train", title="phantoms", role="training", images=9, real=False, description="Drawn.")
    eyes = DataSet(key="lab", title="EyePACS", role="training", images=9, real=True, description="Photographs.")
    study = write_study_info(tmp_path / "a", make_info(data=(*make_info().data, phantoms, eyes)))
    assert name_training_eyes(study, "12000 eyes of train") == "12,000 phantoms"
    assert name_training_eyes(study, "35126 eyes of lab") == "35,126 eyes of EyePACS"
    for text in ("300 eyes of eyes", "300 eyes of elsewhere", "eyes of our lab, 2019", ""):
        assert name_training_eyes(study, text) == text
