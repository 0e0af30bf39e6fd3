"""Handing a gRPC port over; test_reload_under_load.py shows that no request is lost by it."""

import os

from irc_runtime.serving.grpc_port import leave_to_the_last
from tests.irc_runtime.served import free_port


def test_looking_for_the_port_leaves_no_descriptor_behind() -> None:
    reading, writing = os.pipe()
    try:
        before = os.listdir("/proc/self/fd")
        leave_to_the_last(free_port())
        assert os.listdir("/proc/self/fd") == before
    finally:
        os.close(reading)
        os.close(writing)
