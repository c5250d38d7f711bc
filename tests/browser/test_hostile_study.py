"""A study whose every text was written by somebody who wants to run a script, or to learn who looks at it."""

import json
import shutil

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import finish_run

pytestmark = pytest.mark.browser

HOSTILE = (
    '"><img src=x onerror="document.title=1"><script>document.title=1</script> ![](http://evil.example/a.png) '
    "[go](http://evil.example) <http://evil.example/> $x^2$ :red[red]"
)
PAGES = ("/", "/Compare", "/Robustness", "/Explain", "/Representations", "/Performance", "/Reproduction")


@pytest.fixture(scope="module")
def address(tiny_study, tmp_path_factory, serve):
    """A server that shows such a study."""
    folder = tmp_path_factory.mktemp("hostile")
    study = folder / "study"
    shutil.copytree(tiny_study.path, study)
    head = json.loads((study / "study.json").read_text())
    head |= {"title": f"Title {HOSTILE}", "summary": f"Summary {HOSTILE}", "protocol": f"Protocol {HOSTILE}"}
    for data in head["data"]:
        data |= {"title": f"Data {HOSTILE}", "description": f"Description {HOSTILE}"}
    for setup in head["setups"]:
        setup |= {"label": f"Label {HOSTILE}", "summary": f"Summary {HOSTILE}"}
    (study / "study.json").write_text(json.dumps(head))
    with serve(study, folder / "log.txt") as address:
        yield address


@pytest.mark.parametrize("path", PAGES)
def test_texts_of_a_study_are_text_on_every_page(page, address, path):
    """Nothing of them becomes a picture, a link or a script; that the policy had to stop one would fail the fixture."""
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address + path)
    expect(page.get_by_text("Research use only, not for diagnosis")).to_be_visible()
    finish_run(page)
    shown = page.content()
    assert page.locator("[src*='evil.example'], [href*='evil.example'], [src='x'], [onerror]").count() == 0
    assert page.title() != "1"
    assert not [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert path not in ("/", "/Compare") or "evil.example" in shown  # it is there, as text
