"""Screenshots of the list and of every readout, wide and narrow, light and dark: python -m tests.browser.shots."""

import argparse
import tempfile
from pathlib import Path

from dashboard.pages_list import page_files
from tests.browser import driver

TABS = ("Health", "Segments", "Sensitivity", "History")


def main() -> None:
    """Writes PNGs of a workspace, or of the samples when none is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("shots"))
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--only", default="", help="only experiments whose id contains this")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = chosen.workspace or _samples(Path(folder))
        shoot(workspace, chosen.out, chosen.only)


def shoot(workspace: Path, out: Path, only: str = "") -> list[Path]:
    """One PNG for each page, width and colour scheme."""
    from store import Workspace

    registry = Workspace.open(workspace).registry
    ids = [each.id for each in registry.experiments() if only in each.id]
    pages = {each.file.stem: "/" if each.home else f"/{each.file.stem}" for each in page_files() if not each.hidden}
    pages |= {f"readout-{id}": f"/readout?exp={id}" for id in ids}
    for id in ids:
        if registry.latest_look(id):
            pages |= {f"readout-{id}-{tab.lower()}": f"/readout?exp={id}&tab={tab}" for tab in TABS}
            pages[f"metric-{id}"] = f"/metric?exp={id}"
    out.mkdir(parents=True, exist_ok=True)
    made = []
    with driver.serving(workspace) as server, driver.chromium() as browser:
        for size, width in driver.WIDTHS.items():
            for scheme in driver.SCHEMES:
                with driver.page(browser, width=width, scheme=scheme) as page:
                    for name, path in pages.items():
                        made.append(_shot(page, server.url + path, out / f"{name}-{size}-{scheme}.png", width))
    return made


def _shot(page: object, url: str, file: Path, width: int) -> Path:
    """The whole page: the window is made as high as its content, which scrolls inside."""
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(url)
    driver.settle(page)
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": max(height + 4, 600)})
    page.wait_for_timeout(400)
    page.screenshot(path=file)
    return file


def _samples(folder: Path) -> Path:
    from tests.dashboard import sample

    sample.fill(folder / "samples")
    return folder / "samples"


if __name__ == "__main__":
    main()
