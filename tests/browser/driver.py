"""Starts the dashboard on a free loopback port, and Debian's chromium to look at it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, sync_playwright

from tests.chromium import find
from tests.recsys.serving.served import PATIENCE, held_port

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = find()
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = {"wide": 1440, "narrow": 390}
SCHEMES = ("light", "dark")


@dataclass(frozen=True)
class Server:
    """A running dashboard."""

    url: str
    process: int

    def cpu_seconds(self) -> float:
        """CPU time that the server has used so far, from /proc."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(workspace: Path) -> Iterator[Server]:
    """The dashboard of a workspace, as a process of its own, until the block ends."""
    log = workspace / "dashboard.log"
    # The port is held until the end: nobody else is given it before the server listens.
    with held_port() as held, open(log, "w") as out:
        port = held.getsockname()[1]
        command = [sys.executable, "-m", "dashboard.serve", str(workspace), str(port)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
        try:
            _wait(f"http://127.0.0.1:{port}/api/health", process, log)
            yield Server(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
            process.wait(PATIENCE)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def page(browser: Browser, *, width: int = 1440, scheme: str = "light") -> Iterator[Page]:
    """A fresh visitor with an empty cache."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(90_000)
    yield context.new_page()
    context.close()


def settle(page: Page) -> None:
    """Waits until the page has drawn everything, its chart included."""
    page.wait_for_selector("h1")
    page.wait_for_function("!document.querySelector('[data-testid=stSkeleton], [data-testid=stAppSkeleton]')")
    page.wait_for_function("document.querySelector('[data-test-script-state]')?.dataset.testScriptState !== 'running'")
    if page.get_by_role("heading", name="look by look").count():
        page.wait_for_selector(".js-plotly-plot .main-svg")
    page.wait_for_timeout(500)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with urlopen(url, timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"the dashboard did not start; its log says: {log.read_text()}")
