"""The independent receiver: an OTLP server on the C core of gRPC, not on the library that hostmeter uses."""

from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)

SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"
CODES = {code.value[0]: code for code in grpc.StatusCode}


class Receiver:
    """Serves at `address` between `start` and `stop`, as often as wanted, and adds what it takes to `arrived`.

    `answer(message, context)` decides before it takes a request: it refuses by `refuse`, or returns how many
    points it rejects.
    """

    def __init__(self, address, arrived, answer=None, tls=None, options=()):
        self.address = address
        self.arrived = arrived
        self.answer = answer or (lambda message, context: 0)
        self.tls = tls
        self.options = (("grpc.so_reuseport", 0), *options)
        self.server = None

    def start(self):
        self.server = grpc.server(ThreadPoolExecutor(8), options=self.options)
        method = grpc.unary_unary_rpc_method_handler(
            self._export, request_deserializer=lambda message: message,
            response_serializer=ExportMetricsServiceResponse.SerializeToString)
        handler = grpc.method_handlers_generic_handler(SERVICE, {"Export": method})
        self.server.add_generic_rpc_handlers([handler])
        if self.tls:
            self.server.add_secure_port(self.address, grpc.ssl_server_credentials([self.tls]))
        else:
            self.server.add_insecure_port(self.address)
        self.server.start()
        return self

    def stop(self):
        """Ends all calls and connections at once."""
        if self.server:
            self.server.stop(None).wait()
            self.server = None

    def _export(self, message, context):
        rejected = self.answer(message, context)
        self.arrived.add(message, context.peer())
        answer = ExportMetricsServiceResponse()
        if rejected:
            answer.partial_success.CopyFrom(ExportMetricsPartialSuccess(
                rejected_data_points=rejected, error_message="rejected as planned"))
        return answer

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def refuse(context, code, retry_after=None):
    """Ends a call with a code, and perhaps with the seconds after which it may be tried again."""
    if retry_after is not None:
        info, detail = RetryInfo(), Any()
        info.retry_delay.FromMilliseconds(int(retry_after * 1000))
        detail.Pack(info)
        status = Status(code=code, message="refused as planned", details=[detail])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(CODES[code], "refused as planned")
