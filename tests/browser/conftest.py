"""A real browser: Debian's chromium, driven through its chromedriver."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

PATIENCE = 30.0

_QUIET = (
    "--headless=new",
    "--no-sandbox",  # chromium's own sandbox does not start as root, nor in a container; the pages are ours
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    # Nothing but the tests' own servers is asked for anything.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
    "--window-size=900,1000",
)


@pytest.fixture
def chrome(tmp_path: Path) -> Iterator[Chrome]:
    """A new browser, which knows nothing. A machine that has none skips the test: `.ci/run` installs it."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("neither chromium nor chromedriver: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = browser
    for option in (*_QUIET, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(option)
    started = Chrome(options, Service(driver))
    started.set_page_load_timeout(PATIENCE)
    try:
        yield started
    finally:
        started.quit()
