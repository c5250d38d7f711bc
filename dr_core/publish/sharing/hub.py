"""A packed study on a model hub, and the way back; the hub is the one that the library `huggingface_hub` is set to.

The token is the library's own: the variable of the environment that it reads, or what its sign-in has stored. It is
neither taken as an argument nor written anywhere.
"""

import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from dr_core.errors import InputError
from dr_core.publish.sharing.members import CARD, MANIFEST
from dr_core.publish.sharing.unpack import MAX_BYTES, unpack_study
from dr_core.study.folder import Study

ARCHIVE, README = "study.zip", "README.md"
"""Files of a repository: the packed study, and its model card for those who look at the hub."""

SCHEME = "hub:"
"""What an address of a hub begins with."""

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")

_FRONT_MATTER = "---\nlibrary_name: dr-lens\ntags:\n- diabetic-retinopathy\n- research-use-only\n---\n\n"


@dataclass(frozen=True, kw_only=True)
class HubAddress:
    """A packed study on a hub.

    Attributes:
        repository: Owner and name, such as `"lab/dr-study"`.
        revision: Branch, tag or commit; empty for the newest.
    """

    repository: str
    revision: str = ""

    def __str__(self) -> str:
        """The address as `parse_address` reads it."""
        return f"{SCHEME}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def parse_address(text: str) -> HubAddress:
    """Read an address, `hub:OWNER/NAME` or `hub:OWNER/NAME@REVISION`; the beginning `hub:` may be missing.

    Raises:
        InputError: If it is none.
    """
    repository, at, revision = text.removeprefix(SCHEME).partition("@")
    if not _REPOSITORY.fullmatch(repository) or (at and not _REVISION.fullmatch(revision)) or ".." in text:
        raise InputError(f"A repository must be OWNER/NAME or OWNER/NAME@REVISION, not {text!r}.")
    return HubAddress(repository=repository, revision=revision)


def push_archive(archive: Path, address: HubAddress) -> HubAddress:
    """Upload a packed study into a repository, which is made, private, where there is none.

    Args:
        archive: A file that `pack_study` wrote.
        address: The repository, and the branch that takes it; without one the main branch.

    Returns:
        The address of the very commit.

    Raises:
        InputError: If the library is not installed, the archive is none, or the hub cannot be reached, knows no such
            repository, or refuses.
    """
    hub, card = _find_library(), _read_card(archive)
    with _explained(hub, address), _quiet(hub):
        api = hub.HfApi()
        api.create_repo(address.repository, private=True, exist_ok=True)
        added = [
            hub.CommitOperationAdd(path_in_repo=ARCHIVE, path_or_fileobj=str(archive)),
            hub.CommitOperationAdd(path_in_repo=README, path_or_fileobj=(_FRONT_MATTER + card).encode()),
        ]
        commit = api.create_commit(
            address.repository, added, commit_message="A study of DR Lens", revision=address.revision or None
        )
    return HubAddress(repository=address.repository, revision=str(commit.oid))


def pull_study(address: HubAddress, out: Path) -> Study:
    """Download a packed study and bring it into a folder of its own.

    Args:
        address: Where it is.
        out: The study's folder, which must not exist, or be empty.

    Returns:
        The open study.

    Raises:
        InputError: As `push_archive`, or as `unpack_study`. Nothing is written then.
    """
    hub = _find_library()
    with tempfile.TemporaryDirectory(prefix="dr-lens-hub-") as folder:
        with _explained(hub, address), _quiet(hub):
            api, revision = hub.HfApi(), address.revision or None
            about = api.hf_hub_download(address.repository, ARCHIVE, revision=revision, local_dir=folder, dry_run=True)
            if about.file_size > MAX_BYTES:
                raise InputError(f"{address} takes {about.file_size} bytes, more than {MAX_BYTES >> 30} GB.")
            path = api.hf_hub_download(address.repository, ARCHIVE, revision=about.commit_hash, local_dir=folder)
        return unpack_study(Path(path), out)


def _find_library() -> ModuleType:
    try:
        import huggingface_hub
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError as error:
        raise InputError(
            "A hub needs the package huggingface_hub; install it with: pip install huggingface_hub (the extra `hub`)."
        ) from error
    return huggingface_hub


def _read_card(archive: Path) -> str:
    """The model card of an archive; only one that is whole so far is uploaded."""
    try:
        with zipfile.ZipFile(archive) as members:
            names = members.namelist()
            if CARD in names and MANIFEST in names:
                return members.read(CARD).decode()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"{archive} cannot be read ({error}); pack the study again.") from error
    raise InputError(f"{archive} is not an archive of a study; pack the study.")


@contextmanager
def _quiet(hub: ModuleType) -> Iterator[None]:
    """Keep the library's own progress bars off the terminal meanwhile."""
    before = hub.utils.are_progress_bars_disabled()
    if not before:
        hub.utils.disable_progress_bars()
    try:
        yield
    finally:
        if not before:
            hub.utils.enable_progress_bars()


_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404


@contextmanager
def _explained(hub: ModuleType, address: HubAddress) -> Iterator[None]:
    """Turn what the library raises into sentences; `InputError` passes."""
    try:
        yield
    except (hub.errors.HTTPError, OSError, RuntimeError, ValueError) as error:
        raise InputError(_explain(hub.errors, address, error)) from error


def _explain(errors: ModuleType, address: HubAddress, error: Exception) -> str:
    """What an error of the library means; the first line that fits."""
    sentences: tuple[tuple[type[Exception], str], ...] = (
        (errors.HFValidationError, f"`{address.repository}` cannot be a repository's name; write OWNER/NAME."),
        (
            errors.OfflineModeIsEnabled,
            f"The hub's library is set to work offline (HF_HUB_OFFLINE); {address} needs it.",
        ),
        (
            errors.RevisionNotFoundError,
            f"{address.repository} has no revision {address.revision!r}; check its spelling.",
        ),
        (errors.RemoteEntryNotFoundError, f"{address} holds no {ARCHIVE}, so it is no packed study."),
    )
    for kind, sentence in sentences:
        if isinstance(error, kind):
            return sentence
    if isinstance(error, errors.HfHubHTTPError):
        return _explain_answer(address, error.response.status_code)
    if isinstance(error, RuntimeError):  # what the library makes of an upload that broke off
        return f"The files could not be brought to {address}; push again. The archive is kept."
    if isinstance(error, ValueError):
        return f"The hub gave an answer for {address} that its library cannot read ({error})."
    return f"The hub cannot be reached for {address}; check the network. Nothing was changed."


def _explain_answer(address: HubAddress, status: int) -> str:
    if status == _UNAUTHORIZED:
        return (
            f"{address} was not found, or needs a sign-in: set the variable HF_TOKEN to a token of the hub, or sign in "
            "with the hub's own program."
        )
    if status == _FORBIDDEN:
        return f"The token in use may not do this with {address}; take one that may, or ask its owner."
    if status == _NOT_FOUND:
        return f"{address} was not found on the hub; check owner and name."
    return f"The hub refused {address} (status {status}); try again later."
