"""A real Chromium, driven as a person drives it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.common.exceptions import NoSuchElementException, TimeoutException, WebDriverException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait


class Browser:
    """One browser with one session at one site."""

    def __init__(self, chrome: Chrome, site: str) -> None:
        self.chrome, self.site = chrome, site

    def open(self, path: str) -> None:
        self.chrome.get(self.site + path)

    @property
    def path(self) -> str:
        return self.chrome.current_url.removeprefix(self.site)

    @property
    def text(self) -> str:
        """What a person can read."""
        return self.chrome.find_element(By.TAG_NAME, "body").text

    def find(self, selector: str) -> WebElement:
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.chrome.find_elements(By.CSS_SELECTOR, selector)

    def fill(self, label: str, text: str) -> None:
        """Writes into the field with that label."""
        field = self.chrome.find_element(By.XPATH, f"//label[contains(., '{label}')]").get_attribute("for")
        element = self.chrome.find_element(By.ID, str(field))
        element.clear()
        element.send_keys(text)

    def press(self, words: str) -> None:
        """Presses the button or follows the link that begins with these words, and waits for the next page."""
        before = self.find("html").id
        found = self.chrome.find_elements(By.XPATH, f"//button[starts-with(normalize-space(), '{words}')] | //a[starts-with(normalize-space(), '{words}')]")
        assert found, f"nothing says {words!r}: {self.text}"
        found[0].click()
        self.until(lambda: self.find("html").id != before)

    def until(self, condition, seconds: float = 10) -> None:
        # A page that gives way to the next one while it is read is read again; the driver has several words for that.
        wait = WebDriverWait(self.chrome, seconds, 0.05, ignored_exceptions=[NoSuchElementException, WebDriverException])
        try:
            wait.until(lambda _: condition())
        except TimeoutException:
            raise AssertionError(f"not on {self.path}: {self.text}") from None

    def log_in(self, token: str) -> None:
        self.open("/login")
        self.fill("Token", token)
        self.press("Log in")

    def keep(self, name: str) -> None:
        """A picture of the whole page, where PORTCULLIS_SCREENSHOTS names a folder for people to look at."""
        folder = os.environ.get("PORTCULLIS_SCREENSHOTS")
        if folder:
            self.chrome.set_window_size(1200, 500)
            height = self.chrome.execute_script("return document.documentElement.scrollHeight")
            self.chrome.set_window_size(1200, max(500, min(int(height) + 150, 4000)))
            self.chrome.save_screenshot(str(Path(folder) / f"{name}.png"))

    def complaints(self) -> list[str]:
        """What the console of the browser says: blocked scripts, broken pages. Answers with an error status are meant."""
        entries = [entry for entry in self.chrome.get_log("browser") if entry["level"] == "SEVERE"]
        return [entry["message"] for entry in entries if "the server responded with a status of 4" not in entry["message"]]


@contextmanager
def chromium(site: str, *, scripts: bool = True, dark: bool = False) -> Iterator[Browser]:
    """Debian's Chromium with its own driver, in a profile that is removed afterwards."""
    profile = tempfile.mkdtemp(prefix="portcullis-chromium-")
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1200,900",
                     "--disable-background-networking", f"--user-data-dir={profile}"):  # fmt: skip
        options.add_argument(argument)
    if dark:
        options.add_argument("--blink-settings=preferredColorScheme=0")
    if not scripts:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    try:
        chrome = Chrome(options=options, service=ChromeService("/usr/bin/chromedriver"))
        try:
            yield Browser(chrome, site)
        finally:
            chrome.quit()
    finally:
        shutil.rmtree(profile, ignore_errors=True)
