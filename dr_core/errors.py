"""The one exception that a user can mend, and what would mend it; and the end of work that was asked to stop."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Remedy:
    """What would mend something, without the words of any command: whoever speaks to the user finds them.

    Attributes:
        kind: What has to be done, such as `"make study"`, `"evaluate"` or `"prepare data"`.
        arguments: On what, such as `{"study": "DIR"}`; values are texts.
    """

    kind: str
    arguments: Mapping[str, str] = field(default_factory=dict)


class InputError(Exception):
    """A file, value or setting that the user gave cannot be used.

    The message is one clear sentence that says what must be, what was found, and the remedy:
    "`severity` must be between 0 and 5, not 7; choose a smaller one." Only the command line and the
    app's page shell catch it.

    Args:
        message: The sentence.
        remedy: What would mend it, where it is a piece of work and not another value.
    """

    def __init__(self, message: str, remedy: Remedy | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, Remedy | None]]:
        """What is pickled when a process hands it to another."""
        return type(self), (str(self), self.remedy)


class Stopped(Exception):  # noqa: N818 - no error: what was asked for has happened
    """Work was asked to stop, and has kept its state; asked for again, it goes on from there."""
