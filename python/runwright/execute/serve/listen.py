"""The address: one listening socket, opened before any worker is started and shared by all of them."""

from __future__ import annotations

import errno
import socket

from ..failure import Failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Connections that the kernel holds until a worker takes them.
BACKLOG = 2048
# More open files than that help nobody, and some libraries walk through all that there could be.
_MOST_FILES = 65_536
_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not bound to


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. A worker that dies takes no waiting connection with it, for the socket is the service's.

    Raises:
        Failed: with cause `PortInUse`, or `InputError` where the address is none of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise Failed("InputError", f"the host {host!r} is no address: {error}", "give one of this machine, or 0.0.0.0 for all") from error
    listener = socket.socket(family, kind, protocol)
    try:
        # A port whose last connections are still winding down is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _refused(host, port, error) from error
    listener.setblocking(False)
    return listener


def _refused(host: str, port: int, error: OSError) -> Failed:
    if error.errno == errno.EADDRINUSE:
        cure = "stop what listens there, or choose another port; 0 takes a free one"
        return Failed("PortInUse", f"port {port} of {host} is in use", cure)
    if error.errno == errno.EACCES:
        return Failed(
            "InputError", f"port {port} of {host} may not be opened: ports below 1024 are the administrator's", "choose one from 1024 on"
        )
    return Failed(
        "InputError", f"{host}:{port} cannot be listened at: {error.strerror}", "give an address of this machine, or 0.0.0.0 for all"
    )


def url_of(host: str, listener: socket.socket) -> tuple[str, int]:
    """The URL by which this machine reaches the service, and its port."""
    port = int(listener.getsockname()[1])
    if host in _EVERYWHERE:
        host = "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}", port


def allow_many_files() -> int:
    """Let this process hold as many connections as its limits allow; returns how many files it may open."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most: Any = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return int(_MOST_FILES if soft == resource.RLIM_INFINITY else soft)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):
        return int(soft)
    return int(most)
