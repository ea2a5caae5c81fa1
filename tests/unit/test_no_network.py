import socket

import pytest
from pytest_socket import SocketBlockedError


def test_a_test_that_opens_a_connection_fails():
    with pytest.raises(SocketBlockedError):
        socket.create_connection(("127.0.0.1", 9), timeout=1)
