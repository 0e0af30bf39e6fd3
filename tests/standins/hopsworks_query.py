"""A stand-in for the query service of Hopsworks: Arrow Flight over TLS."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow  # type: ignore[import-untyped]  # it has no stubs
import pyarrow.flight  # type: ignore[import-untyped]  # as above

from tests.standins.hopsworks_api import QUERY_PORT, Hopsworks

ARROW = {
    "string": pyarrow.string(),
    "bigint": pyarrow.int64(),
    "double": pyarrow.float64(),
    "timestamp": pyarrow.timestamp("us"),
    "date": pyarrow.date32(),
}


class QueryService(pyarrow.flight.FlightServerBase):  # type: ignore[misc]  # it has no stubs
    """Answers the queries that the API has noted, one row a batch."""

    def __init__(self, state: Hopsworks) -> None:
        self.state = state
        self.failing = False
        super().__init__(
            location=f"grpc+tls://{state.address}:{QUERY_PORT}",
            tls_certificates=[(state.certificate, state.key)],
        )

    def list_actions(self, context: Any) -> list[Any]:
        return [pyarrow.flight.ActionType("get-version", "")]

    def do_action(self, context: Any, action: Any) -> list[bytes]:
        return [b"5.2"]

    def get_flight_info(self, context: Any, descriptor: Any) -> Any:
        ticket = pyarrow.flight.Ticket(descriptor.command)
        endpoint = pyarrow.flight.FlightEndpoint(ticket, [])
        return pyarrow.flight.FlightInfo(pyarrow.schema([]), descriptor, [endpoint], -1, -1)

    def do_get(self, context: Any, ticket: Any) -> Any:
        if self.failing:
            raise pyarrow.flight.FlightServerError("a secret of the data")
        number = json.loads(ticket.ticket)["number"]
        group, columns, _ = self.state.queries[number]
        schema = pyarrow.schema([(name, ARROW[group.types[name]]) for name in columns])
        table = pyarrow.Table.from_pylist(self.state.rows(number), schema)
        return pyarrow.flight.RecordBatchStream(table, None)


@contextmanager
def query_service(state: Hopsworks) -> Iterator[QueryService]:
    """The service, until the end of the block."""
    service = QueryService(state)
    try:
        yield service
    finally:
        service.shutdown()
