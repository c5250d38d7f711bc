"""The audit log, where `DR_AUDIT_LOG` names a file: who opened which study, when, and how many uploads there were.

One JSON object a line. No name of a file, no content, no link. At 10 MB a new file is begun; nine old ones are kept.
"""

import functools
import json
import logging
import os
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from typing import Literal

import streamlit as st

Event = Literal["sign in", "sign out", "refused", "timeout", "open study", "import", "leave"]

_BYTES, _FILES = 10 * 2**20, 9
_NOTED = "audited_studies"


@functools.cache
def _log() -> logging.Logger | None:
    path = os.environ.get("DR_AUDIT_LOG")
    if not path:
        return None
    log = logging.getLogger("dr_lens.audit")
    handler = RotatingFileHandler(path, maxBytes=_BYTES, backupCount=_FILES, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
    return log


def open_log() -> None:
    """Open the log while the server starts, so that a folder that cannot be written stops it then and not later."""
    _log()


def record(event: Event, user: str, **details: str | int) -> None:
    """Write one line; nothing where there is no audit log.

    Args:
        event: What happened.
        user: E-mail address, or the network address where nobody signs in.
        details: Name of a study, number of uploads, minutes.
    """
    if (log := _log()) is not None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        log.info(json.dumps({"time": now, "event": event, "user": user} | details))


def note_study(name: str) -> None:
    """Write down, once a session, that the user of this page opened a study."""
    if _log() is None:
        return
    noted: set[str] = st.session_state.setdefault(_NOTED, set())
    if name not in noted:
        noted.add(name)
        record("open study", _user(), study=name)


def note_import(study: str, setup: str) -> None:
    """Write down that the user of this page imported a model as a set-up of a study."""
    if _log() is not None:
        record("import", _user(), study=study, setup=setup)


def _user() -> str:
    user = st.user.get("email") if st.user.get("is_logged_in") else st.context.ip_address
    return str(user or "this machine")
