"""Handing a gRPC port over to another process, without a request lost.

gRPC's library takes no socket, and has two processes share a port by SO_REUSEPORT: each has a queue of
connections of its own, and those in the queue of one that stops are reset. Its server, when it stops,
cancels requests that callers had sent before they knew. Both are avoided here: first the kernel is
told to give new connections to the other process; then callers are told to open new ones, which the
library does in good order for connections of a certain age.
"""

import ctypes
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import closing

#: Linux's number, which Python's module ``socket`` lacks; see socket(7).
SO_ATTACH_REUSEPORT_CBPF = 51
#: The instruction ``ret #1`` of classic BPF (linux/filter.h): code, jumps, and the number of a socket
#: in the order in which those of a port began to listen.
GIVE_TO_THE_SECOND = struct.pack("HBBI", 0x06, 0, 0, 1)


def renewal(linger_s: float) -> tuple[str, int]:
    """gRPC's option by which every connection has been renewed within that many seconds.

    The library adds or takes a tenth, so that not all are renewed at once.
    """
    return "grpc.max_connection_age_ms", max(1, round(linger_s * 1000 / 1.25))


def leave_to_the_last(port: int) -> None:
    """Have the kernel give new connections to the process that began to listen on the port last.

    The choice stays with the port, so that a third process has them once this one is gone. Where the
    kernel knows nothing of it, connections in the moment of the change may be reset.
    """
    program = ctypes.create_string_buffer(GIVE_TO_THE_SECOND)
    for listener in _listeners(port):
        with closing(listener):
            try:
                listener.setsockopt(
                    socket.SOL_SOCKET,
                    SO_ATTACH_REUSEPORT_CBPF,
                    struct.pack("HP", 1, ctypes.addressof(program)),
                )
            except OSError:  # gVisor, for one
                return


def _listeners(port: int) -> Iterator[socket.socket]:
    """Copies of this process's sockets that listen on a port: gRPC's library does not give its own."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if not stat.S_ISSOCK(os.stat(int(name)).st_mode):
                continue
            copy = socket.socket(fileno=os.dup(int(name)))
        except OSError:  # closed meanwhile, as the folder itself
            continue
        is_listening = copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if is_listening and copy.family == socket.AF_INET6 and copy.getsockname()[1] == port:
            yield copy
        else:
            copy.close()
