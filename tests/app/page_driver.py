"""What the tests of pages do with a page: read its HTML, give it photographs."""

import io

from PIL import Image


def html_of(app):
    """All HTML of a page."""
    return " ".join(element.proto.body for element in app.get("html"))


def encoded(image, form="PNG"):
    """An image as the bytes of a file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form)
    return buffer.getvalue()


def upload(app, *files):
    """Give the page files, pairs of name and bytes; what it then shows."""
    app.file_uploader[0].set_value([(name, content, "image/png") for name, content in files])
    return app.run()
