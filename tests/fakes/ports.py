"""A port for a server of a test's own."""

import socket


def free_port() -> int:
    """A port that is free by UDP and by TCP."""
    with socket.socket() as listening, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        datagrams.bind(("127.0.0.1", port))
        return port
