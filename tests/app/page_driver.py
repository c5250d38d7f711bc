"""What the tests of pages do with a page: read its HTML, give it photographs."""

import io
import json
from html import escape

from PIL import Image
from streamlit.testing.v1 import AppTest

from tests.conftest import ROOT


def page_at(name):
    """The page of this file, not yet run, in an app whose pages link each other."""
    app = AppTest.from_file(ROOT / "home.py", default_timeout=120)
    return app if name == "home.py" else app.switch_page(f"pages/{name}")


def html_of(app):
    """All HTML of a page, with the photographs of its viewers, which their browser draws."""
    photographs = [name_photograph(element.proto) for element in app.get("bidi_component")]
    return " ".join([*(element.proto.body for element in app.get("html")), *photographs])


def name_photograph(proto):
    """The photograph of a viewer as an image; nothing of another component."""
    if proto.component_name != "dr_lens_viewer":
        return ""
    return f'<img alt="{escape(json.loads(proto.json)["panels"][0]["label"])}">'


def encoded(image, form="PNG"):
    """An image as the bytes of a file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form)
    return buffer.getvalue()


def upload(app, *files):
    """Give the page files, pairs of name and bytes; what it then shows."""
    app.file_uploader[0].set_value([(name, content, "image/png") for name, content in files])
    return app.run()
