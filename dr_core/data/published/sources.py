"""The data sets that DR Lens reads, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from dr_core.data.idrid import GRADING_EXPECTED, IDRID_EXPECTED, index_grading, index_segmentation
from dr_core.data.intake.index import Intake
from dr_core.data.published.eyepacs import EYEPACS_EXPECTED, index_eyepacs
from dr_core.data.published.folder import APTOS_EXPECTED, FolderLayout, index_aptos, index_folder
from dr_core.data.published.messidor2 import MESSIDOR2_EXPECTED, index_messidor2
from dr_core.data.published.retinamnist import RETINAMNIST_EXPECTED, index_retinamnist
from dr_core.errors import InputError

Expected = dict[str, tuple[int, ...]]
"""Split -> number of eyes of each grade 0..4, or a single number where no grades are published."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set as it was published.

    Attributes:
        name: Name on the command line.
        title: Name for people.
        index: Root -> what is understood of it, as `dr_core.data.intake.index` describes.
        expected: What a whole copy holds; empty where nobody can know.
        lists_all: Whether every image below the root should be in the index.
    """

    name: str
    title: str
    index: Callable[[Path], Intake]
    expected: Expected
    lists_all: bool = True

    def read_index(self, root: Path) -> pd.DataFrame:
        """Index the set in `root`; raises as `take_in` does."""
        return self.take_in(root).index

    def take_in(self, root: Path) -> Intake:
        """Index the set in `root`, with what was understood of it.

        Raises:
            InputError: If there is no such folder, or the reader finds it wanting.
        """
        if not root.is_dir():
            raise InputError(f"There is no folder {root}; name the folder into which {self.title} was unpacked.")
        return self.index(root)


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(name="eyepacs", title="EyePACS", index=index_eyepacs, expected=EYEPACS_EXPECTED),
        Source(name="messidor2", title="Messidor-2", index=index_messidor2, expected=MESSIDOR2_EXPECTED),
        Source(
            name="idrid",
            title="IDRiD segmentation",
            index=index_segmentation,
            expected={split: (count,) for split, count in IDRID_EXPECTED.items()},
            lists_all=False,
        ),
        Source(
            name="idrid-grading",
            title="IDRiD grading",
            index=index_grading,
            expected=GRADING_EXPECTED,
            lists_all=False,
        ),
        Source(name="aptos", title="APTOS 2019", index=index_aptos, expected=APTOS_EXPECTED, lists_all=False),
        Source(name="retinamnist", title="RetinaMNIST", index=index_retinamnist, expected=RETINAMNIST_EXPECTED),
    )
}
"""Name -> published data set. `folder_source` makes one of any folder."""


def folder_source(layout: FolderLayout, title: str = "folder") -> Source:
    """A folder of a lab's own photographs, read as `layout` says, under a title of the lab's own."""
    return Source(name="folder", title=title, index=partial(index_folder, layout=layout), expected={})
