"""The promises of docs/security.md on a server that runs on the demo study; the container is held to the same."""

import pytest

from tests.servers import start_server

promises = pytest.importorskip("tests.container.promises")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A server with a log and a folder for temporary files of its own."""
    folder = tmp_path_factory.mktemp("promises")
    (folder / "tmp").mkdir()
    log = folder / "log.txt"
    with start_server(log=log, TMPDIR=str(folder / "tmp")) as (address, process):
        yield promises.Running(address, process, log, folder / "tmp")


@pytest.mark.parametrize("check", promises.CHECKS, ids=lambda check: check.__name__)
def test_promise(check, running):
    check(running)
