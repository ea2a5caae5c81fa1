"""The tests' own browser: it waits for a page's document, and no longer."""

import http.server
import threading

import pytest

from tests.browser.driver import navigate

PAGE = b"<title>came</title><body><img src=never>"


@pytest.mark.allow_hosts(["127.0.0.1", "::1"])
def test_a_navigation_ends_though_what_belongs_to_the_page_never_comes(driver):
    asked, over = threading.Event(), threading.Event()

    class Unfinished(http.server.BaseHTTPRequestHandler):
        """Leaves the picture without an answer."""

        def do_GET(self):
            if self.path == "/never":
                asked.set()
                over.wait()
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Unfinished) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        try:
            for _ in range(2):  # the first time it comes, then it is loaded anew
                navigate(driver, "" if asked.is_set() else f"http://127.0.0.1:{server.server_port}/")
                assert driver.title == "came"
                assert asked.wait(60)
        finally:
            over.set()
            server.shutdown()
            navigate(driver, "about:blank")
