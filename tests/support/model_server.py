"""A stand-in for TensorFlow Serving: the same requests, answers and error codes, by gRPC and REST.

It takes and gives the real protos, checks a request against the signature as the server does (names,
types, shapes), and runs the loaded SavedModel. What it can't show is the server's own batching.
"""

import base64
import json
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

DEFAULT = "serving_default"


class Refused(Exception):
    """A request that the server answers with an error."""

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(message)
        self.code = code


class Predictor(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers PredictRequests by a model's signatures."""

    def __init__(self, name: str, folder: str):
        self.name = name
        self.loaded = tf.saved_model.load(folder)

    def answer(self, request: Any) -> Any:
        """PredictRequest -> PredictResponse."""
        if request.model_spec.name != self.name:
            message = f"Servable not found for request: Latest({request.model_spec.name})"
            raise Refused(grpc.StatusCode.NOT_FOUND, message)
        name = request.model_spec.signature_name or DEFAULT
        if name not in self.loaded.signatures:
            message = f'Serving signature name: "{name}" not found in signature def'
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, message)
        function = self.loaded.signatures[name]
        given = {key: tf.constant(tf.make_ndarray(proto)) for key, proto in request.inputs.items()}
        self._check(given, function.structured_input_signature[1])
        try:
            made = function(**given)
        except tf.errors.InvalidArgumentError as error:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, error.message) from error
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(request.model_spec)
        for key, value in made.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value.numpy()))
        return response

    def _check(self, given: dict[str, tf.Tensor], wanted: dict[str, tf.TensorSpec]) -> None:
        good = given.keys() == wanted.keys() and all(
            value.dtype == wanted[key].dtype and wanted[key].shape.is_compatible_with(value.shape)
            for key, value in given.items()
        )
        if not good:
            message = f"input does not fit the signature: {given} for {wanted}"
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, message)

    def Predict(self, request: Any, context: Any) -> Any:
        try:
            return self.answer(request)
        except Refused as error:
            context.abort(error.code, str(error))


def rest(predictor: Predictor, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to the JSON of a :predict request, in row ("instances") or column form."""
    signature = body.get("signature_name", DEFAULT)
    specs = predictor.loaded.signatures[signature].structured_input_signature[1]
    if "instances" in body:
        rows = [
            row if isinstance(row, dict) and "b64" not in row else {next(iter(specs)): row}
            for row in body["instances"]
        ]
        columns = {key: [row[key] for row in rows] for key in rows[0]}
    else:
        columns = body["inputs"] if isinstance(body["inputs"], dict) else {}
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, signature
    for key, value in columns.items():
        kind = specs[key].dtype
        array = np.array(_decoded(value), object if kind == tf.string else kind.as_numpy_dtype)
        request.inputs[key].CopyFrom(tf.make_tensor_proto(array, kind))
    outputs = predictor.answer(request).outputs
    made = {key: _encoded(key, tf.make_ndarray(value).tolist()) for key, value in outputs.items()}
    alone = next(iter(made.values())) if len(made) == 1 else None
    if "instances" not in body:
        return {"outputs": made if alone is None else alone}
    if alone is not None:
        return {"predictions": alone}
    return {
        "predictions": [
            dict(zip(made, row, strict=True)) for row in zip(*made.values(), strict=True)
        ]
    }


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return [_decoded(part) for part in value] if isinstance(value, list) else value


def _encoded(key: str, value: Any) -> Any:
    """The server writes strings as base64 where the output's name ends so, else as text."""
    if isinstance(value, list):
        return [_encoded(key, part) for part in value]
    if not isinstance(value, bytes):
        return value
    return {"b64": base64.b64encode(value).decode()} if key.endswith("_bytes") else value.decode()


@contextmanager
def serve(name: str, folder: str) -> Iterator[tuple[Predictor, int, int]]:
    """Serves a SavedModel; yields the predictor and the ports of gRPC and REST."""
    predictor = Predictor(name, folder)
    size = [("grpc.max_receive_message_length", -1)]  # as the server is built
    grpc_server = grpc.server(futures.ThreadPoolExecutor(2), options=size)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(predictor, grpc_server)
    grpc_port = grpc_server.add_insecure_port("127.0.0.1:0")
    grpc_server.start()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            model = self.path.removeprefix("/v1/models/").removesuffix(":predict")
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, answer = 200, rest(predictor, model, body)
            except Refused as error:
                status = {grpc.StatusCode.NOT_FOUND: 404}.get(error.code, 400)
                answer = {"error": str(error)}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            pass

    http_server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http_server.serve_forever, daemon=True).start()
    try:
        yield predictor, grpc_port, http_server.server_port
    finally:
        http_server.shutdown()
        http_server.server_close()
        grpc_server.stop(None)
