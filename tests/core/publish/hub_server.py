"""A stand-in for a model hub: the few endpoints that uploading and downloading an archive takes."""

import base64
import hashlib
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

TOKEN = "hf_standin"


class Hub(ThreadingHTTPServer):
    """Repositories by name: each a list of commits, each a mapping of files.

    Attributes:
        repositories: Name -> commits, files by name each.
        objects: Large files by SHA-256.
        refusing: Status that every request is answered with; 0 for none.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.repositories, self.objects, self.private, self.refusing = {}, {}, set(), 0

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def find(self, repository, revision):
        """Number of a commit's place, or None."""
        names = [commit_name(repository, at) for at in range(len(self.repositories[repository]))]
        return len(names) - 1 if revision == "main" and names else names.index(revision) if revision in names else None


def commit_name(repository, at):
    return hashlib.sha1(f"{repository}-{at}".encode()).hexdigest()


class Answers(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, content=b"", **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code=""):
        self.answer(status, {"error": code}, **({"X-Error-Code": code} if code else {}))

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def route(self):
        """Path and whether the request bears the token; None where it was refused already."""
        if self.server.refusing:
            self.body()
            self.refuse(self.server.refusing)
            return None
        return unquote(urlsplit(self.path).path)

    def signed_in(self):
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def do_POST(self):
        path = self.route()
        if path is None:
            return
        content = self.body()
        if not self.signed_in():
            self.refuse(401)
        elif path == "/api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            self.create(json.loads(content))
        elif path.endswith("/info/lfs/objects/batch"):
            self.batch(json.loads(content))
        elif "/preupload/" in path:
            files = json.loads(content)["files"]
            modes = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith(".zip") else "regular",
                    "shouldIgnore": False,
                }
                for one in files
            ]
            self.answer(200, {"files": modes})
        elif "/commit/" in path:
            self.commit(path.removeprefix("/api/models/").partition("/commit/")[0], content)
        else:
            self.refuse(404)

    def create(self, asked):
        name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
        if name in self.server.repositories:
            self.answer(409, {"error": "exists", "url": f"{self.server.address}/{name}"})
            return
        self.server.repositories[name] = []
        if asked.get("private") or asked.get("visibility") == "private":
            self.server.private.add(name)
        self.answer(200, {"url": f"{self.server.address}/{name}", "name": name, "id": name})

    def batch(self, asked):
        objects = [
            one | {"actions": {"upload": {"href": f"{self.server.address}/objects/{one['oid']}", "header": {}}}}
            for one in asked["objects"]
        ]
        self.answer(200, {"transfer": "basic", "objects": objects}, Content_Type="application/vnd.git-lfs+json")

    def do_PUT(self):
        content = self.body()
        assert hashlib.sha256(content).hexdigest() == self.path.removeprefix("/objects/")
        self.server.objects[self.path.removeprefix("/objects/")] = content
        self.answer(200)

    def commit(self, repository, content):
        commits = self.server.repositories[repository]
        files = dict(commits[-1]) if commits else {}
        for line in map(json.loads, content.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
        commits.append(files)
        oid = commit_name(repository, len(commits) - 1)
        self.answer(200, {"commitUrl": f"{self.server.address}/{repository}/commit/{oid}", "commitOid": oid})

    def do_GET(self):
        path = self.route()
        if path is None:
            return
        repository, _, rest = path.removeprefix("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        if repository not in self.server.repositories or (repository in self.server.private and not self.signed_in()):
            self.refuse(404 if self.signed_in() else 401, "RepoNotFound")
        elif (at := self.server.find(repository, revision)) is None:
            self.refuse(404, "RevisionNotFound")
        elif name not in self.server.repositories[repository][at]:
            self.refuse(404, "EntryNotFound")
        else:
            content = self.server.repositories[repository][at][name]
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            self.answer(200, content, ETag=etag, X_Repo_Commit=commit_name(repository, at))

    def do_HEAD(self):
        self.do_GET()


@contextmanager
def standing_in():
    """A running hub."""
    hub = Hub()
    thread = Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
