"""Parts of the Help page: where to start, keys, and the glossary."""

from html import escape

import streamlit as st

from dr_core.study.folder import Study
from dr_ui.shell import tour
from dr_ui.shell.app_files import find_app_folder
from dr_ui.shell.page import questions

_KEYS = {
    "N, P": "next and previous eye of the case list",
    "+, -, 0, arrow keys": "in the heatmaps, after a click on one: zoom in, zoom out, whole eye, move",
    "L": "there: lesion outlines on and off",
    "Tab, Enter": "the next control, and press it",
}


def show_page(study: Study) -> None:
    """Draw the page.

    Args:
        study: The open study.
    """
    tour.offer_tour()
    st.html('<h2 class="lens-h2">Which page answers which question</h2>')
    for question in questions():
        st.page_link(f"pages/{question.page}", label=f"**{question.title}**: {question.question}")
    st.html(
        '<h2 class="lens-h2">The case list</h2><p class="lens-small">Photographs that you upload on any page stand in '
        "the sidebar of every page. <b>Add eyes</b> brings the test eyes of the study "
        f"({escape(study.info.title)}), or photographs that the command <code>score</code> has answered elsewhere. "
        "<b>Session file</b> saves the list and your choices; photographs only if you want them in it. The server "
        "deletes them when you close the tab.</p>"
    )
    rows = "".join(f"<dt>{escape(keys)}</dt><dd>{escape(text)}</dd>" for keys, text in _KEYS.items())
    st.html(f'<h2 class="lens-h2">Keys</h2><dl class="lens-keys">{rows}</dl>')
    _show_glossary()


def _show_glossary() -> None:
    st.html('<h2 class="lens-h2">Glossary</h2>')
    searched = st.text_input("Find a term", key="glossary_search", placeholder="such as relevance mass")
    text = (find_app_folder() / "docs" / "glossary.md").read_text(encoding="utf-8")
    found = find_terms(text, searched)
    if found:
        with st.container(key="glossary"):
            st.markdown(found)
    else:
        st.caption("No entry contains these words.")


def find_terms(text: str, searched: str) -> str:
    """The sections of the glossary with the entries that hold a text; empty without any.

    Args:
        text: The glossary, Markdown with a table in each section.
        searched: Part of a term or its meaning, in any case of letters; empty gives all entries.
    """
    _, *sections = text.split("\n## ")
    found = []
    for section in sections:
        title, _, *lines = section.strip().split("\n")
        head, entries = lines[:2], [line for line in lines[2:] if searched.strip().lower() in line.lower()]
        if entries:
            found.append("\n".join([f"### {title}", "", *head, *entries]))
    return "\n\n".join(found)
