"""The one exception that a user can mend."""


class InputError(Exception):
    """A file, value or setting that the user gave cannot be used.

    The message is one clear sentence that says what must be, what was found, and the remedy:
    "`severity` must be between 0 and 5, not 7; choose a smaller one." Only the command line and the
    app's page shell catch it.
    """
