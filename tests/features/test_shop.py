"""A real browser walks the shop; then a view is edited and broken, as the tour of the README does by hand."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import processes
from support.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def shop(folder):
    place = folder / "shop"
    ignored = shutil.ignore_patterns("db.sqlite3*", "media", "staticfiles", "secret_key", ".prepared", "__pycache__")
    shutil.copytree(ROOT / "examples" / "shop", place, ignore=ignored)
    subprocess.run([ROOT / "tools" / "prepare_shop.sh", sys.executable, place], check=True, stdout=subprocess.DEVNULL)
    return place


@pytest.fixture
def server(serve, shop):
    """Started as ./run starts it: a folder and nothing else."""
    allow = [r"CW03\d\d", r"keeps serving", r"SyntaxError"]
    return serve.run(["serve", str(shop), "-b", "127.0.0.1:0"], shop.parent, {"VIRTUAL_ENV": sys.prefix}, allow)


@pytest.fixture
def browser(tmp_path, tool):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    downloads = tmp_path / "downloads"
    downloads.mkdir()
    options = webdriver.ChromeOptions()
    options.binary_location = tool("chromium")
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", f"--user-data-dir={tmp_path / 'profile'}",
                 "--window-size=1200,1000"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads), "download.prompt_for_download": False})
    known = set(processes.children(os.getpid()))
    driver = webdriver.Chrome(options=options, service=Service(tool("chromedriver", "chromium-driver")))
    for pid in set(processes.children(os.getpid())) - known:
        processes.adopt(pid)
    driver.implicitly_wait(10)
    driver.downloads = downloads
    yield driver
    driver.quit()
    for pid in set(processes.children(os.getpid())) - known:
        processes.adopt(pid)  # helpers of the browser that end a little later


def find(browser, selector):
    from selenium.webdriver.common.by import By

    return browser.find_element(By.CSS_SELECTOR, selector)


def fill(browser, **values):
    for name, value in values.items():
        field = find(browser, f"[name={name}]")
        if field.tag_name != "select" and field.get_attribute("type") != "file":
            field.clear()
        field.send_keys(value)


def follow(browser, selector):
    """Clicks what leads to another page, and waits until that has replaced this one."""
    from selenium.webdriver.support import expected_conditions
    from selenium.webdriver.support.ui import WebDriverWait

    page = find(browser, "html")
    find(browser, selector).click()
    WebDriverWait(browser, 20, 0.02).until(expected_conditions.staleness_of(page))
    wait_until(lambda: browser.execute_script("return document.readyState") == "complete", 20, "the next page")


def text(browser):
    return find(browser, "body").text


def downloaded(browser, name):
    path = browser.downloads / name
    wait_until(lambda: path.exists() and not list(browser.downloads.glob("*.crdownload")), 20, f"the download of {name}")
    return path.read_bytes()


def test_walk(server, browser, tmp_path):
    attachment = tmp_path / "drawing.bin"
    attachment.write_bytes(os.urandom(1_500_000))

    browser.get(server.url + "/")
    assert "Everything for the quay" in text(browser)
    assert find(browser, "header").value_of_css_property("background-color") == "rgba(13, 58, 79, 1)", "the style sheet did not arrive"
    assert browser.execute_script("return [...document.images].every(image => image.complete && image.naturalWidth > 0)")

    follow(browser, "nav a[href^='/sign-in']")
    fill(browser, username="demo", password="wrong")
    follow(browser, "#sign-in")
    assert "correct username and password" in text(browser)
    fill(browser, username="demo", password="fair-winds")
    follow(browser, "#sign-in")
    assert "Sign out demo" in text(browser)

    browser.get(server.url + "/product/rope/")
    fill(browser, quantity="3")
    follow(browser, "#add")
    assert "is in your cart" in text(browser) and "£65.25" in text(browser)

    browser.get(server.url + "/product/rope/")
    fill(browser, stars="★★★★", text="Holds well.\nSmells of tar.", photo=picture(tmp_path))
    follow(browser, "#send-review")
    assert "Thank you for your review" in text(browser) and "Smells of tar." in text(browser)
    wait_until(lambda: browser.execute_script("return document.querySelector('img.photo').naturalWidth") == 2, 10, "the photo")

    browser.get(server.url + "/checkout/")
    fill(browser, name="Ada", address="1 Quay\nHarbour", note="Mind the tide", attachment=str(attachment))
    follow(browser, "#place-order")
    assert "is placed" in text(browser) and "Mind the tide" in text(browser)
    find(browser, "#attachment").click()
    assert downloaded(browser, "drawing.bin") == attachment.read_bytes()
    find(browser, "#invoice").click()
    assert downloaded(browser, "invoice-1.csv").decode() == (
        'product,quantity,price,total\r\n"Mooring rope, 12 mm",3,21.75,65.25\r\n,,,65.25\r\n')

    browser.get(server.url + "/orders/")
    assert "Order 1" in text(browser)
    follow(browser, "#sign-out")
    assert "Sign in" in text(browser)


def picture(folder):
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path = folder / "photo.png"
    pixels = zlib.compress(b"\0\xff\0\0\0\xff\0" * 2)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
    return str(path)


def test_edit_and_break(server, browser, shop):
    """The 60-second tour."""
    views = shop / "store" / "views.py"
    good = views.read_text()
    browser.get(server.url + "/")
    assert "Everything for the quay" in text(browser)

    views.write_text(good.replace("Everything for the quay", "New in this morning"))
    wait_until(lambda: browser.get(server.url + "/") or "New in this morning" in text(browser), 20, "the edited view")

    start = len(server.log.lines)
    views.write_text(good.replace("def shelf(request):", "def shelf(request:"))
    server.log.wait_for("SyntaxError", 20, start)
    server.log.wait_for(r"views\.py:\d+", 5, start)
    server.log.wait_for("keeps serving", 5, start)
    for _ in range(3):
        browser.get(server.url + "/")
        assert "New in this morning" in text(browser)

    views.write_text(good)
    wait_until(lambda: browser.get(server.url + "/") or "Everything for the quay" in text(browser), 20, "the repaired view")
    template = shop / "store" / "templates" / "store" / "base.html"
    template.write_text(re.sub("An example site", "A mended site", template.read_text()))
    wait_until(lambda: browser.get(server.url + "/") or "A mended site" in text(browser), 20, "the edited template")
    time.sleep(0.5)
    server.baseline = {server.pid: server.baseline[server.pid]}
