"""Sends requests to a server and says how long each took; a process of its own, so that it has its own CPU.

    python load.py PORT PATH BODY CONNECTIONS REQUESTS

It prints JSON: requests per second, and the median and 99th percentile of milliseconds from the first byte
sent to the last received. Each connection sends its next request when the last one is answered.
"""

import asyncio
import json
import sys
import time
from statistics import quantiles


async def worker(port: int, request: bytes, left: list[int], took_ms: list[float]) -> None:
    """One connection; takes from the number of requests that are left."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while left[0] > 0:
        left[0] -= 1
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"{head.decode()}{(await reader.read(1000)).decode()}")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        took_ms.append((time.perf_counter() - began) * 1000)
    writer.close()


async def main() -> None:
    """Send, and print."""
    port, path, body, connections, requests = sys.argv[1:]
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body.encode())}\r\n\r\n{body}"
    ).encode()
    took_ms: list[float] = []
    left = [int(requests)]
    began = time.perf_counter()
    await asyncio.gather(
        *(worker(int(port), request, left, took_ms) for _ in range(int(connections)))
    )
    elapsed_s = time.perf_counter() - began
    cuts = quantiles(took_ms, n=100)
    print(
        json.dumps({"per_s": len(took_ms) / elapsed_s, "median_ms": cuts[49], "p99_ms": cuts[98]})
    )


if __name__ == "__main__":
    asyncio.run(main())
