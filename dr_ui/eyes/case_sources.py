"""What fills the case list beside uploads: the test eyes of the open study, and tables that `score` wrote."""

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dr_core.errors import InputError
from dr_core.experiments.recorded import RecordedEye, list_recorded
from dr_core.study.digests import digest_checkpoints
from dr_core.study.eyes import can_open
from dr_core.study.folder import Study
from dr_ui.eyes import case_list, file_reader
from dr_ui.eyes.case_list import MOST_LISTED, ListedEye
from dr_ui.shell import missing, result_tables, studies

_SOURCE = "case_source"


def offer_sources(study: Study) -> None:
    """Draw the ways to fill the list.

    Args:
        study: The open study.
    """
    tests = [data.key for data in study.info.data if data.role == "test"]
    if tests:
        st.selectbox(
            "Test eyes of the study",
            tests,
            format_func=lambda key: result_tables.data_title(study, key),
            key=_SOURCE,
            help=f"With the answers that the study recorded, up to {MOST_LISTED} eyes. Eyes whose pictures are not on "
            "this machine have only answers.",
        )
        st.button("Add these eyes", key="add_test_eyes", on_click=_add_test_eyes, args=(study,), width="stretch")
    file_reader.show_reader(
        "Tables of scores (CSV)",
        "score_tables",
        ["csv"],
        "Tables written by the command score: answers for photographs stored elsewhere. A photograph uploaded under "
        "the same name replaces its row.",
        _read_scores,
    )


def find_test_eyes(study: Study, data: str) -> list[ListedEye]:
    """The eyes of a test set with their recorded answers, and whether their pictures can be had.

    Args:
        study: The study.
        data: Key of the data set.

    Raises:
        InputError: If the study has no answers about them.
    """
    predictions = result_tables.load_table(study, "predictions")
    if predictions is None:
        raise InputError(missing.missing_table_sentence(study, "predictions"))
    opens = can_open(study, data, result_tables.load_table(study, "eyes"))
    recorded = list_recorded(predictions, data, list(study.setups))
    if not recorded:
        raise InputError(
            f"The study holds no answers about {result_tables.data_title(study, data)}; measure it on them."
        )
    return [
        ListedEye(
            data=data,
            name=f"{eye.name} (patient {eye.patient})" if eye.is_repeated else eye.name,
            recorded=eye,
            absent=_why_absent(eye, opens=opens),
        )
        for eye in recorded
    ]


def _why_absent(eye: RecordedEye, *, opens: bool) -> str:
    if not opens:
        return f"The picture of {eye.name} is not on this machine; the list holds its recorded answers."
    if eye.is_repeated:
        return f"Several eyes of {eye.source} are named {eye.name}; which picture is whose cannot be told."
    return ""


def _add_test_eyes(study: Study) -> None:
    try:
        found = find_test_eyes(study, st.session_state[_SOURCE])
    except InputError as error:
        file_reader.put_notes([(True, str(error))])
        return
    case_list.add_listed(study, found[:MOST_LISTED])
    rest = f", the first {MOST_LISTED} of {len(found)}" if len(found) > MOST_LISTED else ""
    pictures = "without pictures: they are not on this machine" if found[0].absent else "with pictures"
    file_reader.put_notes([(False, f"{min(len(found), MOST_LISTED)} eyes{rest}, {pictures}.")])


def _read_scores(file: UploadedFile) -> list[str]:
    from dr_core.score.results import read_score_table  # takes a second that no start of the app has

    study = studies.open_chosen()
    table = read_score_table(file.getvalue(), file.name, digest_checkpoints(study), MOST_LISTED)
    case_list.add_listed(
        study,
        [
            ListedEye(
                data=eye.source,
                name=eye.name,
                recorded=eye,
                absent=f"The picture of {eye.name} is not here: {eye.source} holds only its answers. Upload the "
                "photograph to see it.",
            )
            for eye in table.eyes
        ],
    )
    return list(table.notes)
