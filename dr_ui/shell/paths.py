"""Visitors of a server that others reach are told names, not where something lies on its disk."""

import functools
import os
import re
from pathlib import Path

from google.protobuf.message import Message
from streamlit import config
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")


def is_local() -> bool:
    """Whether the server listens to nobody but this machine."""
    return config.get_option("server.address") in LOCAL_NAMES


@functools.cache
def _folders() -> tuple[str, ...]:
    """Folders that hold the studies and the code, each with a slash at its end, the longest first."""
    named = [Path(os.environ[name]) for name in ("DR_STUDY", "DR_STUDIES", "DR_IDRID") if os.environ.get(name)]
    holding = {path.parent for path in named if path.is_absolute()} | {Path(__file__).parents[2]}
    return tuple(sorted((f"{folder}/" for folder in holding if folder != Path("/")), key=len, reverse=True))


@functools.cache
def _roots() -> str:
    """Folders of this machine's root, one of which every path begins with, as alternatives of a pattern."""
    return "|".join(sorted(re.escape(entry.name) for entry in Path("/").iterdir() if entry.is_dir()))


@functools.cache
def _any_path() -> re.Pattern[str]:
    """A path of this machine that is no address of a picture or a download; its group is its last name."""
    name = r"[^/\s`'\"<>&|,;()]"
    return re.compile(rf"(?<![\w./<:~-])/(?!media/[0-9a-f]{{32,}}\.)(?:{_roots()})/(?:{name}+/)*({name}*)")


@functools.cache
def _trace() -> re.Pattern[bytes]:
    """What every message with a path has in its bytes."""
    return re.compile(rf"/(?:{_roots()})/".encode())


def without_folders(content: bytes) -> bytes:
    """A message to the browser in which studies and files are called by their names alone.

    Args:
        content: One of Streamlit's messages.
    """
    if not _trace().search(content):
        return content
    message = ForwardMsg.FromString(content)
    _shorten(message)
    result: bytes = message.SerializeToString()
    return result


def _shorten(message: Message) -> None:
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE and field.is_repeated:
            for part in value.values() if _is_map(field) else value:
                if isinstance(part, Message):
                    _shorten(part)
        elif field.type == field.TYPE_MESSAGE:
            _shorten(value)
        elif field.type == field.TYPE_STRING and field.is_repeated:
            value[:] = [_short(text) for text in value]
        elif field.type == field.TYPE_STRING:
            setattr(message, field.name, _short(value))


def _is_map(field: "object") -> bool:
    kind = getattr(field, "message_type", None)
    return kind is not None and kind.GetOptions().map_entry


def _short(text: str) -> str:
    for folder in _folders():
        text = text.replace(folder, "")
    return _any_path().sub(lambda match: match[1] or "the folder", text)
