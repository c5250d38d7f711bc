"""Text that somebody else wrote, such as a file's name, as what it is: no markdown, no formula, no link."""

import re

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#<>~$:|!^])|^([-+=.]|\d+(?=[.)]))")

_LINK = re.compile(r"(?i)(https?|ftp|mailto|www)(?=[.:])|(?<=\w)@(?=\w)")
"""What a browser page makes a link of, escaped or not; an invisible joiner behind it keeps it text."""


def plain(text: str) -> str:
    """Escape everything that Streamlit's markdown gives a meaning: emphasis, links, pictures, LaTeX, colors, icons.

    Args:
        text: Whatever a stranger may have chosen.

    Returns:
        Markdown that shows the text as it is, on one line.
    """
    joined = _LINK.sub(lambda match: f"{match[0]}\N{WORD JOINER}", re.sub(r"\s+", " ", text))
    return _MARKDOWN.sub(_escape, joined)


def _escape(match: re.Match[str]) -> str:
    return f"{match[0]}\N{WORD JOINER}" if match[0].isdigit() else f"\\{match[0]}"


def plain_message(text: str) -> str:
    """A message of our own that may quote a stranger: what stands in backticks is code, all else is `plain`."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return plain(text)
    return "".join(f"`{part}`" if number % 2 and part else plain(part) for number, part in enumerate(parts))
