"""The session file: the case list and the choices of a visit, to go on with them later or elsewhere.

A JSON document; with photographs a ZIP archive that holds it and them. Nothing in it is trusted: every name, number and
size is checked before anything of the session is changed.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from dr_core.errors import InputError

SCHEMA = 1
FORMAT = "DR Lens session"

UPLOAD, STUDY, SCORED = "upload", "study", "scored"
"""Where an eye of the file comes from: a photograph or mask of the user, the study, a table of scores."""

MOST_BYTES = 4 * 2**20
"""Of the document without photographs; 2,500 eyes have some 500 KB."""

_MOST_EYES, _LONGEST_NAME, _MOST_CHOICES = 3000, 255, 50
_DOCUMENT, _FOLDER = "session.json", "photographs"
_DAMAGED = "It is damaged or no session file of DR Lens; save the session again. Nothing was changed."


@dataclass(frozen=True, kw_only=True)
class SessionEye:
    """An eye of the file.

    Attributes:
        origin: `UPLOAD`, `STUDY` or `SCORED`.
        name: Name of the file, or of the eye in its table.
        data: Key of the study's data set, or name of the table of scores; empty for an upload.
        digest: SHA-256 of an upload; empty of others.
    """

    origin: str
    name: str
    data: str = ""
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class StudyIdentity:
    """Which study a session is of.

    Attributes:
        name: Name of its folder.
        title: Its title.
        created: When it was made.
        checkpoints: Set-up -> digest of its checkpoint.
    """

    name: str
    title: str
    created: str
    checkpoints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SavedSession:
    """What a session file holds.

    Attributes:
        study: Its study.
        written: Date and time.
        choices: Name of an input -> its value.
        eyes: The case list.
        looked_at: Number of the eye that is looked at; -1 for none.
        grades_name: Name of the table of known grades; empty without one.
        grades: Its text.
        photographs: Digest -> bytes of the uploads that are in the file.
    """

    study: StudyIdentity
    written: str
    choices: Mapping[str, str | float] = field(default_factory=dict)
    eyes: tuple[SessionEye, ...] = ()
    looked_at: int = -1
    grades_name: str = ""
    grades: str = ""
    photographs: Mapping[str, bytes] = field(default_factory=dict)


def write_session(session: SavedSession) -> bytes:
    """A session as JSON, or as a ZIP archive where it holds photographs, which are not compressed again."""
    head = {"format": FORMAT, "schema": SCHEMA}
    body = {key: value for key, value in asdict(session).items() if key != "photographs"}
    document = json.dumps(head | body, indent=1, ensure_ascii=False).encode()
    if not session.photographs:
        return document
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_DOCUMENT, document)
        for digest, content in session.photographs.items():
            archive.writestr(f"{_FOLDER}/{digest}", content)
    return buffer.getvalue()


def read_session(source: bytes, title: str) -> SavedSession:
    """Read a session file.

    Args:
        source: Its bytes.
        title: What to call it in messages.

    Raises:
        InputError: If it is none, is damaged, of a later version, or holds more than a session can.
    """
    document, photographs = _unpack(source, title) if source[:2] == b"PK" else (source, {})
    if len(document) > MOST_BYTES:
        raise InputError(f"{title} must have at most {MOST_BYTES >> 20} MB beside its photographs. {_DAMAGED}")
    try:
        found = json.loads(document.decode())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{title} cannot be read. {_DAMAGED}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InputError(f"{title} is no session file. {_DAMAGED}")
    if found.get("schema") != SCHEMA:
        raise InputError(f"{title} was saved by a later version of DR Lens; open it with that one.")
    try:
        return _parse(found, photographs)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{title} has an entry that no session has. {_DAMAGED}") from error


def _unpack(source: bytes, title: str) -> tuple[bytes, dict[str, bytes]]:
    """The document of an archive and its photographs by digest, each checked against it."""
    try:
        with zipfile.ZipFile(io.BytesIO(source)) as archive:
            members = archive.infolist()
            # What we write is not compressed, so that a file cannot become larger than it is.
            if any(one.compress_type != zipfile.ZIP_STORED or one.file_size > len(source) for one in members):
                raise InputError(f"{title} is a compressed archive. {_DAMAGED}")
            if len(members) > _MOST_EYES + 1 or sum(one.file_size for one in members) > len(source):
                raise InputError(f"{title} holds more than a session can. {_DAMAGED}")
            named = {one.filename: archive.read(one) for one in members}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise InputError(f"{title} cannot be unpacked. {_DAMAGED}") from error
    document = named.pop(_DOCUMENT, b"")
    photographs = {name.removeprefix(f"{_FOLDER}/"): content for name, content in named.items()}
    for digest, content in photographs.items():
        if hashlib.sha256(content).hexdigest() != digest:
            raise InputError(f"{title} holds a photograph that is not the one that was saved. {_DAMAGED}")
    return document, photographs


def _parse(found: Mapping[str, Any], photographs: Mapping[str, bytes]) -> SavedSession:
    """Check every entry.

    Raises:
        KeyError: If one is missing.
        TypeError: If one is of another kind.
        ValueError: If one is out of range; a number, also as an OverflowError.
    """
    eyes = tuple(_parse_eye(one) for one in _bounded(found["eyes"], _MOST_EYES))
    study = found["study"]
    digests = {_text(name): _text(digest) for name, digest in _pairs(study["checkpoints"])}
    choices = {_text(name): _choice(value) for name, value in _pairs(found["choices"])}
    looked_at = found["looked_at"]
    if not isinstance(looked_at, int) or not -1 <= looked_at < len(eyes):
        raise ValueError(looked_at)
    listed = {eye.digest for eye in eyes}
    return SavedSession(
        study=StudyIdentity(
            name=_text(study["name"]),
            title=_text(study["title"], MOST_BYTES),
            created=_text(study["created"]),
            checkpoints=digests,
        ),
        written=_text(found["written"]),
        choices=choices,
        eyes=eyes,
        looked_at=looked_at,
        grades_name=_text(found["grades_name"]),
        grades=_text(found["grades"], MOST_BYTES),
        photographs={digest: content for digest, content in photographs.items() if digest in listed},
    )


def _parse_eye(found: Mapping[str, Any]) -> SessionEye:
    eye = SessionEye(**{name: _text(found[name]) for name in ("origin", "name", "data", "digest")})
    if eye.origin not in (UPLOAD, STUDY, SCORED) or not eye.name or bool(eye.digest) != (eye.origin == UPLOAD):
        raise ValueError(eye)
    return eye


def _bounded(values: Sequence[Any], most: int) -> Sequence[Any]:
    if not isinstance(values, list) or len(values) > most:
        raise ValueError(len(values))
    return values


def _pairs(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    if not isinstance(values, dict) or len(values) > _MOST_CHOICES:
        raise ValueError(len(values))
    return list(values.items())


def _text(value: object, most: int = _LONGEST_NAME) -> str:
    if not isinstance(value, str) or len(value) > most or "\0" in value:
        raise ValueError(value)
    value.encode()  # half of a surrogate pair is no text, and a ValueError
    return value


def _choice(value: object) -> str | float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else _text(value)
