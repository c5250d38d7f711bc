"""Who has which role in a study: patients and pictures of all eyes that it pretrained, trained or measured on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa

from dr_core.data.duplicates import find_near
from dr_core.data.store import open_store
from dr_core.errors import InputError, Remedy
from dr_core.files import replacing
from dr_core.parquet import read_parquet
from dr_core.study.role_members import EYE_COLUMNS, FOLDER, HASHES, Member, Role, find_views, read_member

PUBLISHED_TEST = ("test", "public", "private")
"""Names of splits that are published, or named by a lab itself, for testing: nobody trains on them unawares."""

_SHOWN = 3
"""Patients or eyes that an error names."""


_MAY_SHARE = frozenset({"pretraining", "training", "validation"})
"""Roles that may share eyes if one of them is the pretraining: it knows no grades, and is not what is measured."""


def excludes(role: Role, other: Role) -> bool:
    """Whether an eye of one role must not have the other."""
    return role != other and not ("pretraining" in (role, other) and {role, other} <= _MAY_SHARE)


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """What two stores of a study share: a line of the certificate.

    Attributes:
        roles: Their roles.
        titles: Their data sets.
        patients: Number of patients of both; None where names of patients could not be compared.
        pictures: Number of eyes of the first whose pixels the second has, too.
        near: Pairs of eyes whose pictures look alike without being the same: first, second.
    """

    roles: tuple[Role, Role]
    titles: tuple[str, str]
    patients: int | None
    pictures: int
    near: tuple[tuple[str, str], ...] = ()

    @property
    def leaks(self) -> bool:
        """Whether eyes or patients have two roles."""
        return excludes(*self.roles) and bool(self.patients or self.pictures)

    def describe(self) -> str:
        """The line in words, with how it was checked."""
        patients = "patients not comparable" if self.patients is None else f"{self.patients} patients"
        checked = "by picture" if self.patients is None else "by patient and picture"
        near = f", {len(self.near)} pairs that look alike" if self.near else ""
        names = [title or "drawn eyes" for title in self.titles]
        return (
            f"{self.roles[0]} ({names[0]}) and {self.roles[1]} ({names[1]}): {patients}, {self.pictures} pictures "
            f"shared{near}; checked {checked}"
        )


def take_roles(
    study: Path, wanted: Sequence[tuple[Role, Path]], *, allow_overlap: bool = False
) -> tuple[tuple[Member, ...], tuple[str, ...]]:
    """Make sure that stores may have roles in a study; nothing is written.

    Args:
        study: Folder of the study, which need not exist.
        wanted: Roles and folders: of a store, of photographs with lesion masks, or the run folder of a pretraining.
        allow_overlap: Whether eyes may have a second role, knowingly.

    Returns:
        The stores' eyes in their roles, for `register_roles`, and notes on what they share with others.

    Raises:
        InputError: If one of their patients or pictures has another role in the study.
    """
    known, notes = list(read_roles(study)), []
    views = find_views(study, [data for _, data in wanted])
    members = [read_member(study, role, data, views) for role, data in wanted]
    for number, (member, (role, data)) in enumerate(zip(members, wanted, strict=True)):
        for other in (*known, *members[:number]):
            found = _find_shared(member, other)
            if found and excludes(other.role, role) and not allow_overlap:
                raise InputError(
                    f"{data} is to be used for {role}, and {found} used for {other.role} in this study. Take other "
                    "eyes, or allow the overlap if you know why. Nothing was written."
                )
            if found:
                notes.append(f"{data}: {found} used for {other.role}, too.")
    return tuple(members), tuple(notes)


def _find_shared(member: Member, other: Member) -> str:
    """What two stores share, in words; empty for nothing, and for one store in one role."""
    if (other.role, other.fingerprint) == (member.role, member.fingerprint):
        return ""
    patients, pictures = member.shared_patients(other) or [], member.shared_pictures(other)
    return _describe_shared(patients, pictures) if patients or pictures else ""


def _describe_shared(patients: Sequence[str], pictures: Sequence[str]) -> str:
    kind, names = ("patients", patients) if patients else ("pictures", pictures)
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"{len(names)} of its {kind} ({shown}) are"


def check_published_split(data: Path, *, allow_test: bool = False) -> None:
    """Refuse to train on eyes that were published for testing.

    Args:
        data: Folder of the store.
        allow_test: Whether it is wanted, knowingly.

    Raises:
        InputError: If the store holds such eyes.
    """
    index = open_store(data).index
    if allow_test or "split" not in index:
        return
    splits = index["split"].astype(str).str.lower()
    found = [name for name in PUBLISHED_TEST if (splits == name).any()]
    if found:
        count = int(splits.isin(found).sum())
        raise InputError(
            f"{count} of the {len(index)} eyes in {data} are of the published split {' and '.join(found)}, which is "
            "for testing; prepare the training split alone, or allow it if you know why.",
            Remedy("prepare data", {"split": "train", "out": str(data)}),
        )


def assign_role(study: Path, role: Role, data: Path, *, allow_overlap: bool = False) -> tuple[str, ...]:
    """Give the eyes of one folder a role in a study, at once; for work that has nothing to do in between.

    Args:
        study: Folder of the study.
        role: The role.
        data: As in `take_roles`.
        allow_overlap: Whether eyes may have a second role, knowingly.

    Returns:
        Notes on what they share with others.

    Raises:
        InputError: As `take_roles`.
    """
    members, notes = take_roles(study, [(role, data)], allow_overlap=allow_overlap)
    register_roles(study, members)
    return notes


def register_roles(study: Path, members: Sequence[Member]) -> None:
    """Write down that the eyes of stores have their roles in a study."""
    folder = study / FOLDER
    for member in members:
        path = folder / f"{member.role}-{member.fingerprint}.parquet"
        if not path.is_file() or len(read_parquet(path)) < len(member.eyes):  # photographs looked at in more views
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                member.eyes.to_parquet(temporary, index=False)


def read_roles(study: Path) -> Iterator[Member]:
    """All eyes that have a role in a study, store by store.

    Raises:
        InputError: If a table of the registry is damaged.
    """
    for path in sorted((study / FOLDER).glob("*-*.parquet")):
        role, _, fingerprint = path.stem.rpartition("-")
        try:
            eyes = read_parquet(path, EYE_COLUMNS)[EYE_COLUMNS]
        except (OSError, ValueError, KeyError, pa.lib.ArrowException) as error:
            raise InputError(f"{path} is damaged ({type(error).__name__}); remove it and measure again.") from error
        title = str(eyes["title"].iloc[0]) if len(eyes) else ""
        yield Member(role=role, title=title, fingerprint=fingerprint, eyes=eyes)  # type: ignore[arg-type]


def certify_roles(study: Path) -> tuple[Overlap, ...]:
    """What every two stores of a study share, near-duplicates among it: the certificate.

    Args:
        study: Folder of the study.

    Returns:
        A record for each pair of stores, also where they share nothing; none where no role was registered.
    """
    return tuple(_compare(one, two) for one, two in combinations(read_roles(study), 2))


def _compare(one: Member, two: Member) -> Overlap:
    patients = one.shared_patients(two)
    near: list[tuple[str, str]] = []
    if one.fingerprint != two.fingerprint:
        first, second = (member.eyes[HASHES].to_numpy(np.uint64) for member in (one, two))
        names, others = one.eyes["eye"].to_numpy(), two.eyes["eye"].to_numpy()
        same = one.eyes["picture"].to_numpy(), two.eyes["picture"].to_numpy()
        near = [(names[i], others[j]) for i, j in find_near(first, second) if same[0][i] != same[1][j]]
    return Overlap(
        roles=(one.role, two.role),
        titles=(one.title, two.title),
        patients=None if patients is None else len(patients),
        pictures=len(one.shared_pictures(two)),
        near=tuple(near),
    )
