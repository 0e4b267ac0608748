"""The pages beside the readout in a real browser: what a click does, and that a link comes back to the same."""

import os
from collections.abc import Iterator

import pytest

from store import Workspace
from tests.browser import driver
from tests.dashboard import sample
from tests.dashboard.test_plan import a_shop

if driver.CHROMIUM is None and not os.environ.get("CI"):
    pytest.skip("no chromium on this machine; apt-get install chromium", allow_module_level=True)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The samples with one decision, and a file to plan."""
    filled = sample.fill(tmp_path_factory.mktemp("beside") / "shop")
    look = filled.registry.looks("free-returns")[-1]
    filled.registry.decide("free-returns", look.id, look.verdict, reason="Nothing yet", decided_by="Ann")
    a_shop(filled)
    return filled


@pytest.fixture(scope="module")
def server(workspace: Workspace) -> Iterator[driver.Server]:
    with driver.serving(workspace.path) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[driver.Browser]:
    with driver.chromium() as running:
        yield running


def test_what_became_of_a_decision_is_recorded_beside_it(
    server: driver.Server, browser: driver.Browser, workspace: Workspace
) -> None:
    with driver.page(browser) as page:
        page.goto(f"{server.url}/decisions")
        page.get_by_role("button", name="Record what became of it").click()
        page.get_by_label("What happened").fill("Sold as before")
        page.get_by_role("button", name="Record", exact=True).click()
        page.get_by_text("the name of who records is empty").wait_for()
        page.get_by_label("Your name").fill("Bo")
        page.get_by_role("button", name="Record", exact=True).click()
        page.get_by_text("Bo: Sold as before").wait_for()
        assert workspace.registry.decisions()[0].outcomes[0].recorded_by == "Bo"
        page.get_by_role("link", name="Free returns banner").click()
        page.get_by_role("heading", name="Free returns banner", level=1).wait_for()
        assert f"look={workspace.registry.decisions()[0].look_id}" in page.url


def test_the_list_is_filtered_and_the_address_keeps_it(server: driver.Server, browser: driver.Browser) -> None:
    with driver.page(browser) as page:
        page.goto(server.url)
        page.get_by_label("Find").fill("okafor")
        page.get_by_label("Find").press("Enter")
        page.get_by_role("link", name="Subject lines of the weekly mail").wait_for(state="detached")
        page.wait_for_function("location.search.includes('find=okafor')")
        page.reload()
        page.get_by_role("link", name="Free returns banner").wait_for()
        assert page.get_by_role("link", name="Subject lines of the weekly mail").count() == 0


def test_a_plan_is_asked_for_and_its_address_shared(server: driver.Server, browser: driver.Browser) -> None:
    with driver.page(browser) as page:
        page.goto(f"{server.url}/plan?file=boxes")
        page.get_by_text("To show a lift of 5.0%").wait_for()
        page.get_by_label("Effect to find, in %").fill("12")
        page.get_by_label("Effect to find, in %").press("Enter")
        page.get_by_text("To show a lift of 12.0%").wait_for()
        page.wait_for_function("location.search.includes('effect=12')")
        page.reload()
        page.get_by_text("To show a lift of 12.0%").wait_for()


def test_a_link_to_a_word_and_to_a_method_opens_there(server: driver.Server, browser: driver.Browser) -> None:
    with driver.page(browser) as page:
        page.goto(f"{server.url}/definitions#false-discovery-rate")
        page.get_by_role("heading", name="False discovery rate").wait_for()
        driver.settle(page)
        page.get_by_role("tab", name="Methods").click()
        page.get_by_role("link", name="Segments: where does it work?").click()
        page.get_by_role("heading", name="Segments: where does it work?").wait_for()
        page.wait_for_function("location.search.includes('doc=segments')")
        page.reload()
        page.get_by_role("link", name="All methods").click()
        page.get_by_role("link", name="Lift and its interval").wait_for()
