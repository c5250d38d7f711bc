"""What a model was trained on, in the words of its study."""

import re

from dr_core.study.folder import Study


def name_training_eyes(study: Study, text: str) -> str:
    """What a checkpoint says it was trained on, with the title of the study's eyes in the place of a folder's name.

    Args:
        study: The study.
        text: Such as "12000 eyes of train"; other texts stay as they are.
    """
    found = re.fullmatch(r"(\d+) eyes of (.+)", text)
    data = next((one for one in study.info.data if found and one.key == found[2] and one.role == "training"), None)
    if found is None or data is None:
        return text
    return f"{int(found[1]):,} {'eyes of ' if data.real else ''}{data.title}"
