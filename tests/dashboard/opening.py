"""A page of the app as a visitor with an address finds it, and the words of a piece of HTML."""

import re
from pathlib import Path

from streamlit.testing.v1 import AppTest

import dashboard

APP = Path(dashboard.__file__).with_name("app.py")


def words_of(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def opened(page, workspace, monkeypatch, **query):
    monkeypatch.setenv("HOLDOUT_WORKSPACE", str(workspace.path))
    test = AppTest.from_file(str(APP), default_timeout=180).run()
    test.switch_page(f"pages/{page}.py")
    for key, value in query.items():
        test.query_params[key] = value
    return test.run()
