"""Registries: one home for each vocabulary, which everything that lists its members reads."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from dr_core.errors import InputError


class Named(Protocol):
    """A record that a registry can hold."""

    @property
    def name(self) -> str:
        """Name in code, files, tables and options."""


Record = TypeVar("Record", bound=Named)


class Registry(Mapping[str, Record], Generic[Record]):
    """Frozen records of one kind by name, in the order in which they were added.

    Whatever lists the members (options, pages, charts, tables, tests) reads the registry when it lists them, never a
    copy made when it was imported: a record that is added later is listed, too.
    """

    def __init__(self, kind: str, records: Iterable[Record] = ()) -> None:
        """Make a registry.

        Args:
            kind: What it holds, for messages, such as `"corruption"`.
            records: The first members.
        """
        self.kind = kind
        self._records: dict[str, Record] = {}
        for record in records:
            self.add(record)

    def add(self, record: Record) -> Record:
        """Add a record and give it back.

        Raises:
            InputError: If the name is taken.
        """
        if record.name in self._records:
            raise InputError(f"There is a {self.kind} {record.name!r} already; choose another name.")
        self._records[record.name] = record
        return record

    def find(self, name: str) -> Record:
        """Look a record up.

        Raises:
            InputError: If there is none of this name; the message lists those that there are.
        """
        if name not in self._records:
            raise InputError(f"`{self.kind}` must be one of {', '.join(self._records)}, not {name!r}.")
        return self._records[name]

    @contextmanager
    def extended(self, *records: Record) -> Iterator[None]:
        """Hold further records for a while, as tests and trials do."""
        before = dict(self._records)
        try:
            for record in records:
                self.add(record)
            yield
        finally:
            self._records = before

    def __getitem__(self, name: str) -> Record:
        return self._records[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)
