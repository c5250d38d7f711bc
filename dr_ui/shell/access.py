"""Who may use the app: an optional login by Streamlit's own OIDC, with a list of users or domains that are let in.

The login is on where `secrets.toml` has an `[auth]` section (docs/deploy.md). Every request passes `LoginRequired`
before Streamlit sees it, so that no page, link, upload or picture answers without it; each page asks once more.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config
from streamlit.auth_util import encode_provider_token, get_origin_from_redirect_uri
from streamlit.runtime.secrets import secrets_singleton
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME
from streamlit.web.server.starlette.starlette_websocket import _get_signed_cookie_with_chunks

_OPEN = ("/_stcore/health", "/auth/login", "/auth/logout", "/oauth2callback")
"""What answers without a login: the health check, and the way to the login itself."""

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

        The e-mail address counts, unless the provider says that it was not verified.
        """
        email = str(user.get("email") or "").strip().lower()
        name, at, domain = email.rpartition("@")
        if not (name and at) or user.get("email_verified") is False:
            return False
        return email in self.users or domain in self.domains


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


def may_enter() -> bool:
    """Ask for the login on a page, in case the app was started without its gate; whether the page may be drawn."""
    if not is_login_on():
        return True
    if not st.user.is_logged_in:
        st.button("Sign in", on_click=st.login, type="primary")
        return False
    if not read_allow_list().allows(st.user.to_dict()):
        st.error("You are signed in, but not on the list of those who may use this server.", icon=":material/error:")
        st.button("Sign out", on_click=st.logout)
        return False
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
        connection = HTTPConnection(scope)
        if own_path(scope) in _OPEN:
            return await self.app(scope, receive, send)
        user = _signed_in(connection)
        if user is None or not read_allow_list().allows(user):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return None
            return await _turn_away(connection, scope["method"], user)(scope, receive, send)
        if scope["type"] == "http" and (target := connection.cookies.get(_NEXT_COOKIE)) and own_path(scope) == "/":
            response = RedirectResponse(target if _stays_here(target) else _base())
            response.delete_cookie(_NEXT_COOKIE)
            return await response(scope, receive, send)
        return await self.app(scope, receive, send)


def _signed_in(connection: HTTPConnection) -> dict[str, Any] | None:
    """The user of Streamlit's signed cookie, or None."""
    content = _get_signed_cookie_with_chunks(connection.cookies, USER_COOKIE_NAME)
    if not content:
        return None
    user: dict[str, Any] = json.loads(content)
    is_ours = user.get("origin") == get_origin_from_redirect_uri()
    return user if is_ours and user.get("is_logged_in") is True else None


def _turn_away(connection: HTTPConnection, method: str, user: dict[str, Any] | None) -> Response:
    if user is not None:
        return HTMLResponse(_REFUSED.format(name=escape(str(user.get("email") or "somebody")), base=_base()), 403)
    if method != "GET" or "text/html" not in connection.headers.get("accept", ""):
        return Response("Sign in first.", 401)
    response = RedirectResponse(f"{_base()}auth/login?provider={encode_provider_token('default')}", 302)
    target = connection.url.path + (f"?{connection.url.query}" if connection.url.query else "")
    if _stays_here(target) and own_path(connection.scope) != "/":
        response.set_cookie(_NEXT_COOKIE, target, max_age=600, httponly=True, samesite="lax")
    return response


def own_path(scope: Scope) -> str:
    """Path of a request inside the app, without `server.baseUrlPath`."""
    path: str = scope["path"]
    return "/" + path.removeprefix(_base())


def _base() -> str:
    """Where the app begins on its host, with a slash at its end."""
    base = (config.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}/" if base else "/"


def _stays_here(target: str) -> bool:
    """Whether a redirect to it stays on this host; one to `//host`, or to a backslash instead, would not."""
    return target.startswith("/") and target[1:2] not in ("/", "\\") and target.isprintable()


_REFUSED = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>DR Lens</title></head>
<body style="font-family: sans-serif; max-width: 40rem; margin: 4rem auto">
<h1>Not on the list</h1>
<p>You are signed in as {name}, but not on the list of those who may use this server. Whoever runs it can add you.</p>
<p><a href="{base}auth/logout">Sign out</a></p></body></html>"""
