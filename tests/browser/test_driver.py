"""The tests' own browser: a navigation whose end it misses is asked for again."""

import http.server
import threading

import pytest

from tests.browser.driver import navigate


@pytest.mark.allow_hosts(["127.0.0.1", "::1"])
def test_a_navigation_that_does_not_end_is_asked_for_again(driver):
    answered, over = [], threading.Event()

    class SecondTime(http.server.BaseHTTPRequestHandler):
        """Leaves the first request without an answer."""

        def do_GET(self):
            if self.path != "/page":
                self.send_error(404)
                return
            answered.append(self.path)
            if len(answered) == 1:
                over.wait()
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<title>came</title>")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), SecondTime) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        try:
            navigate(driver, f"http://127.0.0.1:{server.server_port}/page")
            assert driver.title == "came"
            assert len(answered) == 2
        finally:
            over.set()
            server.shutdown()
            navigate(driver, "about:blank")
