"""The engine's pages in a real browser, on a shop with a log, people and a trained version."""

from collections.abc import Iterator
from importlib.resources import files

import pytest

from tests.browser import driver
from tests.recsys.engine.workspaces import VERSION, a_trained_shop
from tests.shared import IN_CI

if driver.CHROMIUM is None and not IN_CI:
    pytest.skip("no chromium on this machine; apt-get install chromium", allow_module_level=True)

pytestmark = pytest.mark.browser
AXE = files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
PATHS = (
    "/recommender",
    "/recommender?person=nobody",
    "/models",
    "/policies",
    "/policies?surface=Cart&reward=Revenue",
)


@pytest.fixture(scope="module")
def server() -> Iterator[driver.Server]:
    with driver.serving(a_trained_shop().path) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[driver.Browser]:
    with driver.chromium() as running:
        yield running


@pytest.mark.parametrize("scheme", driver.SCHEMES)
@pytest.mark.parametrize("width", driver.WIDTHS.values())
def test_every_page_is_accessible_and_fits(server, browser, scheme, width):
    found = []
    with driver.page(browser, width=width, scheme=scheme) as page:
        page.on("pageerror", lambda error: found.append(str(error)))
        for path in PATHS:
            page.goto(server.url + path)
            driver.settle(page)
            page.evaluate(AXE)
            for violation in page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]:
                found += [(path, violation["id"], node["html"][:120]) for node in violation["nodes"]]
            wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
            found += [(path, "too wide", wide)] if wide > width else []
    assert found == []


def test_an_item_that_is_clicked_shows_what_is_near_it(server, browser):
    with driver.page(browser) as page:
        page.goto(f"{server.url}/recommender")
        driver.settle(page)
        first = page.locator("table.slate tbody th button").first
        name, item = first.inner_text(), first.get_attribute("data-value")
        first.click()
        page.wait_for_url(f"**item={item}*")
        driver.settle(page)
        assert page.get_by_role("heading", name=f"To {name}").count() == 1
        assert page.locator("table.near").count() == 2


def test_somebody_else_is_somebody_of_the_shop(server, browser):
    with driver.page(browser) as page:
        page.goto(f"{server.url}/recommender?person=nobody")
        driver.settle(page)
        assert page.get_by_text("Nothing is known of what this person did").count() == 1
        page.get_by_role("button", name="Somebody else").click()
        page.wait_for_function("!location.search.includes('nobody')")
        driver.settle(page)
        assert page.get_by_text("Nothing is known of what this person did").count() == 0


def test_the_version_that_serves_and_a_policys_answer_are_on_the_first_screen(server, browser):
    with driver.page(browser) as page:
        for path, heading in (("/models", f"{VERSION} serves"), ("/policies", None)):
            page.goto(server.url + path)
            driver.settle(page)
            card = page.locator(".card h2").first
            assert card.bounding_box()["y"] < 600
            assert heading is None or card.inner_text() == heading


def test_no_cell_of_a_narrow_page_takes_more_than_two_lines(server, browser):
    long = []
    with driver.page(browser, width=390) as page:
        for path in ("/models", "/recommender", "/policies"):
            page.goto(server.url + path)
            driver.settle(page)
            lines = "all => all.map(e => [e.innerText, e.offsetHeight / parseFloat(getComputedStyle(e).lineHeight)])"
            long += [(path, text) for text, high in page.locator("table td").evaluate_all(lines) if high > 2.9]
    assert long == []
