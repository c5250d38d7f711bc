"""Who is signed in, since when, and whose a session, an upload or a picture is: the server's own list of logins.

Streamlit's cookie alone proves a login for 30 days, on whichever machine it is copied to. Here a cookie counts only
while its login is on this list: signing out, an idle or an absolute timeout, and a restart of the server take it off.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dr_core.errors import InputError

_MANY = 4096
"""Entries after which what belongs to nobody any more is forgotten."""


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long a login lasts.

    Attributes:
        idle_minutes: Without a request of its browser.
        absolute_hours: In all.

    Raises:
        InputError: If one is no positive number.
    """

    idle_minutes: float = 60.0
    absolute_hours: float = 12.0

    def __post_init__(self) -> None:
        for name in ("idle_minutes", "absolute_hours"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise InputError(f"`{name}` in section [access] of secrets.toml must be above 0, not {value!r}.")


@dataclass(eq=False)
class Login:
    """One login of one browser, with all its tabs.

    Attributes:
        user: E-mail address, or `""` where the identity provider named none that counts.
        started: When it began, seconds of the clock.
        used: When its browser last asked for something.
        sessions: Streamlit's sessions (tabs) that were opened with it.
        ended: Set once it is over; every websocket of it waits for this.
    """

    user: str
    started: float
    used: float
    sessions: set[str] = field(default_factory=set)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Logins:
    """The logins of this server. All methods belong to the thread of the event loop.

    Args:
        timeouts: How long a login lasts.
        clock: Seconds that no change of the machine's time moves.
        close_session: Closes one of Streamlit's sessions, and forgets its uploads and pictures.
    """

    def __init__(
        self,
        timeouts: Timeouts,
        *,
        clock: Callable[[], float] = time.monotonic,
        close_session: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.timeouts = timeouts
        self._clock = clock
        self._close_session = close_session
        self._logins: dict[str, Login] = {}

    def begin(self, key: str, user: str) -> Login:
        """Enter a login.

        Args:
            key: What `cookie_key` says of its cookie.
            user: E-mail address.
        """
        for old in [one for one, login in self._logins.items() if self.seconds_left(login) <= 0]:
            self.end(old)
        now = self._clock()
        return self._logins.setdefault(key, Login(user, now, now))

    def find(self, key: str | None) -> Login | None:
        """The login of a cookie; None if it never began here, or is over."""
        login = self._logins.get(key) if key else None
        if login is not None and self.seconds_left(login) <= 0:
            self.end(key)
            return None
        return login

    def touch(self, login: Login) -> None:
        """Its browser asked for something."""
        login.used = self._clock()

    def seconds_left(self, login: Login) -> float:
        """Seconds until it ends by itself."""
        if login.ended.is_set():
            return 0.0
        idle = login.used + 60 * self.timeouts.idle_minutes
        return min(idle, login.started + 3600 * self.timeouts.absolute_hours) - self._clock()

    def end(self, key: str | None) -> Login | None:
        """End a login in every tab; gives it, or None if there is no such login."""
        login = self._logins.pop(key, None) if key else None
        if login is not None:
            login.ended.set()
            for session in login.sessions:
                self._close_session(session)
        return login

    def end_expired(self, login: Login) -> None:
        """End a login whose time is over."""
        for key in [one for one, other in self._logins.items() if other is login]:
            self.end(key)


def cookie_key(raw: str, content: bytes) -> str:
    """Name of a login.

    Args:
        raw: The signed cookie as the browser sent it, or its first part.
        content: What all its parts hold.
    """
    return hashlib.sha256(raw.encode("latin-1", "replace") + b"\0" + content).hexdigest()


class Owners:
    """Whose each session is, and who was shown each picture or download."""

    def __init__(self) -> None:
        self._sessions: dict[str, str] = {}
        self._files: dict[str, set[str]] = {}

    def claim(self, session: str, user: str, is_alive: Callable[[str], bool] = lambda _: True) -> None:
        """Note whose a session is.

        Args:
            session: Streamlit's name of it.
            user: E-mail address, or the network address where nobody signs in.
            is_alive: Whether a session is still there; the others are forgotten now and then.
        """
        if len(self._sessions) >= _MANY:
            self._sessions = {one: whose for one, whose in list(self._sessions.items()) if is_alive(one)}
        self._sessions[session] = user

    def owner(self, session: str) -> str | None:
        """Whose a session is; None for one that nobody opened here."""
        return self._sessions.get(session)

    def show_file(self, file: str, session: str, kept: Mapping[str, object]) -> None:
        """Note that a picture or download was put on a session's page.

        Args:
            file: Streamlit's name of it, a digest of its content.
            session: The session.
            kept: The files that there are; the others are forgotten now and then.
        """
        if len(self._files) >= _MANY:
            self._files = {one: users for one, users in list(self._files.items()) if one in kept}
        if user := self._sessions.get(session):
            self._files.setdefault(file, set()).add(user)

    def may_read(self, file: str, user: str) -> bool:
        """Whether a file was put on a page of this user."""
        return user in self._files.get(file, ())
