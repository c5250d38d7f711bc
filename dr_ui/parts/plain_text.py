"""Text that somebody else wrote, such as a file's name, as what it is: no markdown, no formula, no link, no path."""

import re

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#<>~$:|!^])|^([-+=.]|\d+(?=[.)]))")

_LINK = re.compile(r"(?i)(https?|ftp|mailto|www)(?=[.:])|(?<=\w)@(?=\w)")
"""What a browser page makes a link of, escaped or not; an invisible joiner behind it keeps it text."""

_SERVER_PATH = re.compile(r"(?<![\w./~-])/(?:[^/\s`'\"]+/)+([^/\s`'\"]*)")


def plain(text: str) -> str:
    """Escape everything that Streamlit's markdown gives a meaning: emphasis, links, pictures, LaTeX, colors, icons.

    Args:
        text: Whatever a stranger may have chosen.

    Returns:
        Markdown that shows the text as it is, on one line.
    """
    joined = _LINK.sub(lambda match: f"{match[0]}\N{WORD JOINER}", " ".join(text.split()))
    return _MARKDOWN.sub(
        lambda match: f"\\{match[0]}" if not match[0].isdigit() else f"{match[0]}\N{WORD JOINER}", joined
    )


def without_paths(text: str) -> str:
    """Cut paths of the server down to their last name; a visitor learns nothing of its folders."""
    return _SERVER_PATH.sub(lambda match: match[1] or "the folder", text)
