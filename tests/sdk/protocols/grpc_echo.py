"""A gRPC server and its client, of every kind of call, without generated code.

    python grpc_echo.py serve                       # prints its port
    python grpc_echo.py call 127.0.0.1:8080 [CA]    # calls it there; with a CA's file over TLS, as shop.example
"""

import queue
import sys
from concurrent import futures

import grpc

NAME = "selvedge.Echo"
LARGE = b"x" * 300_000


def unary(request, context):
    sent = dict(context.invocation_metadata())
    context.set_trailing_metadata((("x-seen", sent.get("x-sent", "")), ("x-raw-bin", b"\x00\xff")))
    return request


def server_stream(request, context):
    for _ in range(3):
        yield request


def client_stream(requests, context):
    return b",".join(requests)


def bidi(requests, context):
    for request in requests:
        yield request


def fail(request, context):
    yield request
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "nö, 100%")


def fail_at_once(request, context):
    context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
        "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
        "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
        "Fail": grpc.unary_stream_rpc_method_handler(fail),
        "FailAtOnce": grpc.unary_unary_rpc_method_handler(fail_at_once),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


def status(call):
    try:
        list(call) if hasattr(call, "__iter__") else call()
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError("it did not fail")


def call(channel):
    path = lambda method: f"/{NAME}/{method}"
    wait = {"timeout": 15}
    one = channel.unary_unary(path("Unary"))
    for body in (b"hello", b"", LARGE):
        answer, said = one.with_call(body, metadata=(("x-sent", "yes"),), **wait)
        trailers = dict(said.trailing_metadata())
        assert answer == body, len(answer)
        assert (trailers["x-seen"], trailers["x-raw-bin"]) == ("yes", b"\x00\xff"), trailers
        assert said.code() == grpc.StatusCode.OK
    assert list(channel.unary_stream(path("ServerStream"))(LARGE, **wait)) == [LARGE] * 3
    assert channel.stream_unary(path("ClientStream"))(iter([b"a", b"b", b"c"]), **wait) == b"a,b,c"

    # Each message goes only when the one before has come back.
    words = queue.Queue()
    answers = channel.stream_stream(path("Bidi"))(iter(words.get, None), **wait)
    for word in (b"one", LARGE, b"three"):
        words.put(word)
        assert next(answers) == word
    words.put(None)
    assert list(answers) == []

    failed = channel.unary_stream(path("Fail"))(b"first", **wait)
    assert next(failed) == b"first"
    assert status(failed) == (grpc.StatusCode.FAILED_PRECONDITION, "nö, 100%")
    denied = channel.unary_unary(path("FailAtOnce"))
    assert status(lambda: denied(b"", **wait)) == (grpc.StatusCode.PERMISSION_DENIED, "not you")
    unknown = channel.unary_unary(path("Nothing"))
    code, _ = status(lambda: unknown(b"", **wait))
    assert code == grpc.StatusCode.UNIMPLEMENTED, code


def connect(address, authority=None):
    if authority is None:
        return grpc.insecure_channel(address)
    with open(authority, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    return grpc.secure_channel(address, credentials, [("grpc.ssl_target_name_override", "shop.example")])


if sys.argv[1] == "serve":
    serve()
else:
    with connect(*sys.argv[2:]) as opened:
        call(opened)
    print("all calls")
