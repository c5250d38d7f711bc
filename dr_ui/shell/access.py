"""Who may use the app: an optional login by Streamlit's own OIDC, with a list of users or domains that are let in.

The login is on where `secrets.toml` has an `[auth]` section (docs/deploy.md). Every request passes `LoginRequired`
before Streamlit sees it, so that no page, link, upload or picture answers without it; each page asks once more.
What a user uploaded or was shown answers to that user alone. `sessions` says how long a login lasts.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.auth_util import encode_provider_token, get_origin_from_redirect_uri
from streamlit.runtime.secrets import secrets_singleton
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME
from streamlit.web.server.starlette.starlette_websocket import _get_signed_cookie_with_chunks

from dr_ui.shell import audit
from dr_ui.shell.connections import (
    LOGIN,
    LOGINS,
    MEDIA,
    OWNERS,
    UPLOADS,
    base_path,
    cookies_set,
    file_of,
    own_path,
    session_of,
)
from dr_ui.shell.sessions import Login, Timeouts, cookie_key

_HEALTH, _LOGOUT, _CALLBACK = "/_stcore/health", "/auth/logout", "/oauth2callback"
_OPEN = (_HEALTH, "/auth/login", _LOGOUT, _CALLBACK)
"""What answers without a login: the health check, and the way to the login itself."""

_ADDRESS = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)*", re.ASCII)
"""An e-mail address, lower case, as RFC 5322 has it without quotes and comments."""

_NEXT_COOKIE = "dr_lens_next"
"""Which page to go to after the login; nothing but a path of this app."""


@dataclass(frozen=True, kw_only=True)
class AllowList:
    """Who is let in.

    Attributes:
        users: E-mail addresses, lower case.
        domains: What may stand behind the @, lower case.
    """

    users: frozenset[str]
    domains: frozenset[str]

    def allows(self, user: Mapping[str, Any]) -> bool:
        """Whether a user, the claims of an identity provider, is let in.

        The e-mail address counts. `email_verified` may be missing, since some providers never send it; where it is
        there, nothing but the JSON value true will do.
        """
        email = read_address(user)
        if not email or user.get("email_verified", True) is not True:
            return False
        return email in self.users or email.rpartition("@")[2] in self.domains


def read_address(user: Mapping[str, Any]) -> str:
    """E-mail address of a user, lower case; `""` if the claim is no text or no plain address."""
    email = user.get("email")
    email = email.lower() if isinstance(email, str) and email.isascii() and len(email) <= 254 else ""
    return email if _ADDRESS.fullmatch(email) else ""


def is_login_on() -> bool:
    """Whether `secrets.toml` configures a login."""
    return bool(secrets_singleton.load_if_toml_exists() and "auth" in secrets_singleton)


def read_allow_list() -> AllowList:
    """Section `[access]` of `secrets.toml`; without it nobody is let in."""
    section = secrets_singleton.get("access", {}) if is_login_on() else {}
    return AllowList(
        users=frozenset(str(user).strip().lower() for user in section.get("users", ())),
        domains=frozenset(str(domain).strip().lower().removeprefix("@") for domain in section.get("domains", ())),
    )


def read_timeouts() -> Timeouts:
    """`idle_minutes` and `absolute_hours` of section `[access]`; raises as `Timeouts` does."""
    section = secrets_singleton.get("access", {}) if is_login_on() else {}
    return Timeouts(**{name: section[name] for name in ("idle_minutes", "absolute_hours") if name in section})


def may_enter() -> bool:
    """Ask for the login on a page, in case the app was started without its gate; whether the page may be drawn."""
    if not is_login_on():
        return True
    if not st.user.is_logged_in:
        st.button("Sign in", on_click=st.login, type="primary")
        return False
    if not read_allow_list().allows(st.user.to_dict()):
        st.error("You are signed in but not on this server's list of users.", icon=":material/error:")
        st.button("Sign out", on_click=st.logout)
        return False
    with st.sidebar:
        st.caption(f"Signed in as {read_address(st.user.to_dict())}")
        st.button("Sign out", on_click=st.logout, key="sign_out", help="In every tab of this browser.")
    return True


class LoginRequired:
    """Answers nothing to those who are not signed in, or not on the list; does nothing where the login is off.

    Args:
        app: The application behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] not in ("http", "websocket") or not is_login_on():
            return await self.app(scope, receive, send)
        connection, path = HTTPConnection(scope), own_path(scope)
        key, user = _signed_in(connection.cookies)
        if path in _OPEN:
            if path == _LOGOUT and (ended := LOGINS.end(key)):
                audit.record("sign out", ended.user)
            return await self.app(scope, receive, _entering(send) if path == _CALLBACK else send)
        login = LOGINS.find(key)
        if login is None or user is None or not read_allow_list().allows(user):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return None
            return await _turn_away(connection, scope["method"], user if login else None)(scope, receive, send)
        LOGINS.touch(login)
        scope[LOGIN] = login
        if not _is_theirs(path, login):
            return await Response("There is no such file.", 404)(scope, receive, send)
        if scope["type"] == "http" and (target := connection.cookies.get(_NEXT_COOKIE)) and path == "/":
            response = RedirectResponse(target if _stays_here(target) else base_path())
            response.delete_cookie(_NEXT_COOKIE)
            return await response(scope, receive, send)
        return await self.app(scope, receive, send)


def _signed_in(cookies: Mapping[str, str]) -> tuple[str | None, dict[str, Any] | None]:
    """Name of the login and its user, as Streamlit's signed cookie has them; None if there is none."""
    content = _get_signed_cookie_with_chunks(dict(cookies), USER_COOKIE_NAME)
    if not content:
        return None, None
    user = json.loads(content)
    if not isinstance(user, dict) or user.get("origin") != get_origin_from_redirect_uri():
        return None, None
    if user.get("is_logged_in") is not True:
        return None, None
    return cookie_key(cookies[USER_COOKIE_NAME], content), user


def _entering(send: Send) -> Send:
    """Enter the login whose cookie the answer to the provider's redirect sets."""

    async def send_and_enter(message: Message) -> None:
        if message["type"] == "http.response.start":
            key, user = _signed_in(cookies_set(list(message["headers"])))
            if key and user:
                address = read_address(user)
                LOGINS.begin(key, address)
                audit.record("sign in" if read_allow_list().allows(user) else "refused", address)
        await send(message)

    return send_and_enter


def _is_theirs(path: str, login: Login) -> bool:
    """Whether a session that is uploaded to, or a picture or download, is this user's."""
    if path.startswith(UPLOADS):
        return OWNERS.owner(session_of(path)) == login.user
    return not path.startswith(MEDIA) or OWNERS.may_read(file_of(path), login.user)


def _turn_away(connection: HTTPConnection, method: str, user: dict[str, Any] | None) -> Response:
    if user is not None:
        return HTMLResponse(_REFUSED.format(name=escape(str(user.get("email") or "somebody")), base=base_path()), 403)
    if method != "GET" or "text/html" not in connection.headers.get("accept", ""):
        return Response("Sign in first.", 401)
    response = RedirectResponse(f"{base_path()}auth/login?provider={encode_provider_token('default')}", 302)
    target = connection.url.path + (f"?{connection.url.query}" if connection.url.query else "")
    if _stays_here(target) and own_path(connection.scope) != "/":
        response.set_cookie(_NEXT_COOKIE, target, max_age=600, httponly=True, samesite="lax")
    return response


def _stays_here(target: str) -> bool:
    """Whether a redirect to it stays on this host; one to `//host`, or to a backslash instead, would not."""
    return target.startswith("/") and target[1:2] not in ("/", "\\") and target.isprintable()


_REFUSED = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>DR Lens</title></head>
<body style="font-family: sans-serif; max-width: 40rem; margin: 4rem auto">
<h1>Not on the list</h1>
<p>You are signed in as {name} but not on this server's list of users. Its administrator can add you.</p>
<p><a href="{base}auth/logout">Sign out</a></p></body></html>"""
