"""Finds the browser that the browser tests drive, and installs Debian's where the machine lets us."""

import os
import shutil
import subprocess
import sys


def find() -> str | None:
    """Path of a Chromium on this machine; None if there is none."""
    return next((path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None)


def main() -> None:
    """Makes sure there is a browser; without one says what to install, and fails only in CI."""
    if find():
        return
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("Installing Debian's chromium for the browser tests …", flush=True)
        quiet = {"stdout": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update"], check=False, **quiet)
        subprocess.run(["apt-get", "install", "--yes", "chromium"], check=False, **quiet)
    if not find():
        print("No Chromium: browser tests will be skipped. Install it with: apt-get install chromium", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") else 0)


if __name__ == "__main__":
    main()
