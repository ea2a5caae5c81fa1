"""The tests' own browser: a navigation has ended when the page is there with all that belongs to it."""

import http.server
import threading

import pytest

from tests.browser.driver import navigate

PICTURE = b"<svg xmlns='http://www.w3.org/2000/svg' width='28' height='28'/>"
LATE = 1  # seconds


@pytest.mark.allow_hosts(["127.0.0.1", "::1"])
def test_a_navigation_ends_with_the_last_picture_of_the_page(driver):
    over = threading.Event()

    class Slow(http.server.BaseHTTPRequestHandler):
        """Answers at once, but a picture late."""

        def do_GET(self):
            is_picture = self.path == "/picture"
            if is_picture:
                over.wait(LATE)
            self.send_response(200)
            self.send_header("Content-Type", "image/svg+xml" if is_picture else "text/html")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(PICTURE if is_picture else b"<title>came</title><body><img src=picture>")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        try:
            for address in (
                f"http://127.0.0.1:{server.server_port}/",
                "",
            ):  # it comes, then it is loaded anew
                navigate(driver, address)
                assert driver.title == "came"
                assert driver.execute_script("return document.images[0].naturalWidth") == 28
        finally:
            over.set()
            server.shutdown()
            navigate(driver, "about:blank")
