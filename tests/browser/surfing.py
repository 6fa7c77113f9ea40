"""What people do at a browser: look, press, fill in. Each waits for what it needs, and for nothing longer."""

from __future__ import annotations

from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE = 20.0


class Person:
    """Somebody at a browser of their own."""

    def __init__(self, chrome: Chrome) -> None:
        self.chrome = chrome
        unsettled = (NoSuchElementException, StaleElementReferenceException)
        self._wait = WebDriverWait(chrome, PATIENCE, poll_frequency=0.05, ignored_exceptions=unsettled)

    @property
    def text(self) -> str:
        """What the page says."""
        return self.chrome.find_element(By.TAG_NAME, "body").text

    def open(self, url: str) -> None:
        """Type an address."""
        self.chrome.get(url)

    def see(self, words: str, at: str = "") -> None:
        """Wait until the page says this, at an address that begins with `at`."""

        def there(_: Chrome) -> bool:
            return self.chrome.current_url.startswith(at) and words in self.text

        try:
            self._wait.until(there)
        except Exception as error:
            raise AssertionError(
                f"`{words}` is not at {self.chrome.current_url}: {self.text}\n{self.complaints()}"
            ) from error

    def see_in_time(self, words: str, url: str) -> None:
        """Look at an address again and again, until the page there says this."""

        def there(_: Chrome) -> bool:
            self.open(url)
            return words in self.text

        self._wait.until(there)

    def press(self, selector: str) -> None:
        """Press what the selector finds first."""
        self._wait.until(lambda chrome: chrome.find_element(By.CSS_SELECTOR, selector)).click()

    def press_words(self, words: str) -> None:
        """Press the link or button that says this."""
        path = f"//*[self::a or self::button][contains(normalize-space(.), '{words}')]"
        self._wait.until(lambda chrome: chrome.find_element(By.XPATH, path)).click()

    def fill_in(self, selector: str, words: str) -> None:
        """Type into a field."""
        self._wait.until(lambda chrome: chrome.find_element(By.CSS_SELECTOR, selector)).send_keys(words)

    def complaints(self) -> list[str]:
        """What the browser's console says, but for icons that it looks for by itself."""
        log: list[dict[str, str]] = self.chrome.get_log("browser")  # type: ignore[no-untyped-call]
        return [one["message"] for one in log if "favicon.ico" not in one["message"]]
