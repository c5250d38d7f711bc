"""Visitors of a server that others reach are told names, not where something lies on its disk."""

import functools
import os
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
    named = [Path(os.environ[name]) for name in ("DR_STUDY", "DR_STUDIES") if os.environ.get(name)]
    holding = {path.parent for path in named if path.is_absolute()} | {Path(__file__).parents[2]}
    return tuple(sorted((f"{folder}/" for folder in holding if folder != Path("/")), key=len, reverse=True))


def without_folders(content: bytes) -> bytes:
    """A message to the browser in which studies and files are called by their names alone.

    Args:
        content: One of Streamlit's messages.
    """
    if not any(folder.encode() in content for folder in _folders()):
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
    return text
