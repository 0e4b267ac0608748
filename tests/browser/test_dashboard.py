"""What only a browser can tell: looks, order of painting, bytes, hosts, keyboard and contrast."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from dashboard.pages_list import page_files
from tests.browser import driver
from tests.dashboard import rich, sample

if driver.CHROMIUM is None and not os.environ.get("CI"):
    pytest.skip("no chromium on this machine; apt-get install chromium", allow_module_level=True)

pytestmark = pytest.mark.browser
READOUTS = ("checkout-slate", "free-returns", "video-tiles", "ios-home", "mail-subjects", "new-market")
PATHS = (
    "/",
    *(f"/readout?exp={id}" for id in READOUTS),
    *(f"/readout?exp=whole&tab={tab}" for tab in ("Health", "History")),
    "/readout?exp=whole&tab=Segments&picked=Device: Phone",
    "/metric?exp=whole",
    "/readout?exp=nothing",
    "/decisions",
    "/plan",
    "/definitions",
    "/definitions?tab=Metrics",
    "/definitions?doc=multiplicity",
    "/recommender",
    "/models",
    "/policies",
)

# Streamlit probes /readout/_stcore/... before it finds the server at the root: two 404s on every page but the first.
PROBES = ("/_stcore/health", "/_stcore/host-config")

AXE = files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
TOO_WIDE = """limit => [...document.querySelectorAll("*")]
  .flatMap(e => e.shadowRoot ? [...e.shadowRoot.querySelectorAll("tr, p, li, td, h2, dl")] : [])
  .filter(e => e.getBoundingClientRect().right > limit + 1).map(e => e.textContent.slice(0, 60))"""
CLOCK = """
window.first = {}
const inside = selector => [...document.querySelectorAll("*")].some(e => e.shadowRoot?.querySelector(selector))
const tick = () => {
  const now = performance.now()
  if (!first.card && inside(".card")) first.card = now
  if (!first.chart && document.querySelector(".js-plotly-plot")) first.chart = now
  if (!first.card || !first.chart) requestAnimationFrame(tick)
}
requestAnimationFrame(tick)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[driver.Server]:
    workspace = rich.fill(tmp_path_factory.mktemp("browser") / "shop")
    with driver.serving(workspace.path) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[driver.Browser]:
    with driver.chromium() as running:
        yield running


def test_the_first_visitor_of_all_may_come_by_a_deep_link(browser: driver.Browser, tmp_path: Path) -> None:
    with driver.serving(sample.fill(tmp_path / "shop").path) as fresh, driver.page(browser) as page:
        page.goto(f"{fresh.url}/readout?exp=checkout-slate")
        page.get_by_role("heading", name="Ship v7").wait_for()
        assert page.locator("[data-testid=stSidebar]").count() == 0
        assert page.get_by_test_id("stTopNavLink").all_inner_texts() == [
            each.title for each in page_files() if not each.hidden
        ]


@pytest.mark.parametrize("scheme", driver.SCHEMES)
@pytest.mark.parametrize("width", driver.WIDTHS.values())
def test_every_page_is_accessible_quiet_and_fits(
    server: driver.Server, browser: driver.Browser, scheme: str, width: int
) -> None:
    found: list[object] = []
    with driver.page(browser, width=width, scheme=scheme) as page:
        _listen(page, server.url, found)
        for path in PATHS:
            page.goto(server.url + path)
            driver.settle(page)
            page.evaluate(AXE)
            for violation in page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]:
                found += [(path, violation["id"], node["target"], node["html"][:120]) for node in violation["nodes"]]
            found += [(path, "too wide", text) for text in page.evaluate(TOO_WIDE, width)]
    assert found == []


def _listen(page: driver.Page, url: str, found: list[object]) -> None:
    """Notes what the page says on the console, and whatever it asks of another host or in vain."""
    page.on("console", lambda m: found.append(m.text) if m.type == "error" and "404" not in m.text else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith((url, "blob:", "data:")) else found.append(r.url))
    page.on("response", lambda r: found.append(r.url) if r.status >= 400 and not r.url.endswith(PROBES) else None)


def test_the_card_is_painted_before_any_chart(server: driver.Server, browser: driver.Browser) -> None:
    with driver.page(browser) as page:
        page.add_init_script(CLOCK)
        page.goto(f"{server.url}/readout?exp=checkout-slate")
        page.wait_for_function("first.card && document.querySelector('.js-plotly-plot .main-svg')")
        first = page.evaluate("first")
    assert first["card"] < first["chart"]


def test_a_first_visit_is_at_most_three_megabytes(server: driver.Server, browser: driver.Browser) -> None:
    with driver.page(browser) as page:
        network, received = page.context.new_cdp_session(page), []
        network.send("Network.enable")
        network.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
        network.on(
            "Network.webSocketFrameReceived", lambda event: received.append(len(event["response"]["payloadData"]))
        )
        page.goto(f"{server.url}/readout?exp=checkout-slate")
        driver.settle(page)
    assert 1e6 < sum(received) <= 3.0e6


def test_a_rerun_costs_little(server: driver.Server, browser: driver.Browser) -> None:
    with driver.page(browser) as page:
        page.goto(f"{server.url}/readout?exp=checkout-slate")
        driver.settle(page)
        before = server.cpu_seconds()
        for _ in range(10):
            page.get_by_text("Show unadjusted").click()
            page.wait_for_timeout(250)
        assert (server.cpu_seconds() - before) / 10 <= 0.12


def test_from_the_list_to_a_readout_and_back(server: driver.Server, browser: driver.Browser) -> None:
    with driver.page(browser) as page:
        page.goto(server.url)
        page.get_by_role("link", name="Autoplay video tiles").click()
        page.get_by_role("heading", name="Autoplay video tiles", level=1).wait_for()
        assert page.url.endswith("/readout?exp=video-tiles")
        page.reload()
        page.get_by_role("heading", name="Your call").wait_for()
        # A page that still loads takes no notice of the back button: Streamlit listens once its script has run.
        driver.settle(page)
        page.go_back()
        page.get_by_role("heading", name="Experiments", level=1).wait_for()


def test_a_metric_opens_by_keyboard_and_is_kept_in_the_address(server: driver.Server, browser: driver.Browser) -> None:
    with driver.page(browser) as page:
        page.goto(f"{server.url}/readout?exp=mail-subjects&arm=Question")
        driver.settle(page)
        page.get_by_role("link", name="Conversion rate").focus()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Conversion rate", level=1).wait_for()
        page.wait_for_function("location.search.includes('metric=Conversion') && location.search.includes('arm=Quest')")
        address = page.url
        page.goto("about:blank")
        page.goto(address)
        page.get_by_role("heading", name="Conversion rate", level=1).wait_for()
        page.get_by_text("Question (").wait_for()


def test_a_tab_a_look_and_a_rule_are_kept_in_the_address(server: driver.Server, browser: driver.Browser) -> None:
    with driver.page(browser) as page:
        page.goto(f"{server.url}/readout?exp=checkout-slate")
        driver.settle(page)
        page.get_by_role("tab", name="History").click()
        page.get_by_role("link", name="Open look").click()
        page.get_by_text("not the latest").wait_for()
        page.wait_for_function("location.search.includes('tab=History') && location.search.includes('look=')")
        page.goto(f"{server.url}/readout?exp=whole&rule=Read once")
        page.get_by_text("Read at each of 28 looks").wait_for()


def test_a_decision_is_recorded_and_a_blocked_look_needs_to_be_overridden(
    browser: driver.Browser, tmp_path: Path
) -> None:
    workspace = sample.fill(tmp_path / "shop")
    with driver.serving(workspace.path) as server, driver.page(browser) as page:
        page.goto(f"{server.url}/readout?exp=ios-home")
        page.get_by_role("button", name="Record decision").click()
        page.get_by_role("dialog").get_by_text("Stop", exact=True).click()
        page.get_by_role("button", name="Record", exact=True).click()
        page.get_by_text("Please give a reason and a name.").wait_for()
        page.get_by_label("Why").fill("The split is broken; we start again.")
        page.get_by_label("Your name").fill("Ann")
        page.get_by_role("button", name="Record", exact=True).click()
        page.get_by_text("say that you override it").wait_for()
        page.get_by_text("I decide although").click()
        page.get_by_role("button", name="Record", exact=True).click()
        page.get_by_text("by Ann on").wait_for()
    (made,) = workspace.registry.decisions("ios-home")
    assert (made.verdict, made.decided_by, made.override) == ("stop", "Ann", True)


def test_the_report_and_the_tables_are_downloaded(
    server: driver.Server, browser: driver.Browser, tmp_path: Path
) -> None:
    with driver.page(browser) as page:
        page.goto(f"{server.url}/readout?exp=whole")
        page.get_by_role("button", name="Share").click()
        for label, ending in (("Report (HTML)", ".html"), ("All tables (CSV)", ".zip")):
            with page.expect_download() as download:
                page.get_by_role("button", name=label).click()
            file = tmp_path / download.value.suggested_filename
            download.value.save_as(file)
            assert file.suffix == ending and file.stat().st_size > 10_000
        page.goto(next(tmp_path.glob("*.html")).as_uri())
        page.get_by_role("heading", name="Everything, whole").wait_for()
        page.evaluate(AXE)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        assert [(each["id"], each["nodes"][0]["html"][:120]) for each in found] == []


def test_another_arm_has_its_own_decision(server: driver.Server, browser: driver.Browser) -> None:
    with driver.page(browser) as page:
        page.goto(f"{server.url}/readout?exp=mail-subjects")
        driver.settle(page)
        page.get_by_role("button", name="First name").click()
        page.get_by_role("heading", name="Stop, keep control").wait_for()
        page.wait_for_function("location.search.includes('arm=First')")


def test_screenshots_are_made_of_every_page_width_and_scheme(tmp_path: Path) -> None:
    workspace = sample.fill(tmp_path / "shop")
    command = [sys.executable, "-m", "tests.browser.shots", "--only", "gift", "--out", tmp_path / "shots"]
    subprocess.run([*command, "--workspace", workspace.path], cwd=driver.ROOT, check=True)
    pages = sum(not each.hidden for each in page_files()) + len(["the readout of the one experiment"])
    made = len(list((tmp_path / "shots").glob("*.png")))
    assert made == pages * len(driver.WIDTHS) * len(driver.SCHEMES)
