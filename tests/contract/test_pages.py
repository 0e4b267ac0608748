"""What every page must do, on every page there is."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import dashboard
from dashboard.pages_list import page_files
from store import Workspace
from tests.dashboard import sample

APP = Path(dashboard.__file__).with_name("app.py")
NONSENSE = ("", "nonsense", "9" * 30, "<script>😀")
BOUND = (
    "exp",
    "look",
    "metric",
    "arm",
    "unadjusted",
    "tab",
    "rule",
    "picked",
    "find",
    "status",
    "owner",
    "owned_by",
    "decision",
    "outcome",
    "doc",
    "define",
    "file",
    "effect",
    "power",
    "traffic",
    "surface",
    "chosen_by",
    "what_if",
    "reward",
    "period",
    "version",
    "beside",
    "person",
    "draw",
    "item",
)

every_page = pytest.mark.parametrize("page", page_files(), ids=lambda page: page.file.stem)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace.create(tmp_path_factory.mktemp("contract") / "empty")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return sample.fill(tmp_path_factory.mktemp("contract") / "samples")


def run(page: Path, query: dict[str, str]) -> AppTest:
    test = AppTest.from_file(str(APP), default_timeout=180).run()
    test.switch_page(f"pages/{page.name}")
    for key, value in query.items():
        test.query_params[key] = value
    return test.run()


@every_page
@pytest.mark.parametrize("workspace", ["empty", "filled"])
def test_it_has_a_title_and_something_to_say(
    page: object, workspace: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDOUT_WORKSPACE", str(request.getfixturevalue(workspace).path))
    test = run(page.file, {})
    assert not test.exception
    assert test.title[0].value
    assert test.markdown or test.caption or test.get("bidi_component")


@every_page
@pytest.mark.parametrize("value", NONSENSE)
def test_nonsense_in_every_bound_parameter_does_no_harm(
    page: object, value: str, filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDOUT_WORKSPACE", str(filled.path))
    known = {"exp": "mail-subjects"} | {key: value for key in BOUND[1:]}
    for query in (dict.fromkeys(BOUND, value), known):
        test = run(page.file, query)
        assert not test.exception
        assert test.title[0].value


@every_page
def test_its_body_is_in_functions_and_its_last_line_calls_it(page: object) -> None:
    import ast

    body = ast.parse(page.file.read_text("utf-8")).body
    allowed = (ast.FunctionDef, ast.Import, ast.ImportFrom, ast.Assign)
    assert all(isinstance(node, allowed) for node in body if not isinstance(node, ast.Expr))
    assert page.file.read_text("utf-8").rstrip().endswith("\npage()")
