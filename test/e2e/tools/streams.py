#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real programs of two protocols that keep a connection: gRPC (grpcio) and
WebSocket (websockets).

  streams.py grpc-serve PORT [ADDRESS]              of 127.0.0.1
  streams.py grpc HOST PORT [NAME:VALUE]    unary calls, a conversation, trailers
  streams.py websocket-serve PORT [ADDRESS]
  streams.py websocket HOST PORT [NAME:VALUE]

A client prints "ok" or says what was wrong and fails.
"""
import asyncio
import sys

CALLS = 100
LARGE = 300_000  # larger than a window of a stream


def grpc_serve(port, address="127.0.0.1"):
    import grpc
    from concurrent import futures

    def echo(request, context):
        context.set_trailing_metadata((("length", str(len(request))),))
        return request

    def chat(requests, _context):
        for request in requests:
            yield b"re: " + request

    def fail(_request, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked")

    class Calls(grpc.GenericRpcHandler):
        def service(self, details):
            return {
                "/t/Echo": grpc.unary_unary_rpc_method_handler(echo),
                "/t/Chat": grpc.stream_stream_rpc_method_handler(chat),
                "/t/Fail": grpc.unary_unary_rpc_method_handler(fail),
            }.get(details.method)

    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((Calls(),))
    server.add_insecure_port(f"{address}:{port}")
    server.start()
    server.wait_for_termination()


def grpc_ask(target, metadata):
    import grpc
    import queue

    with grpc.insecure_channel(target) as channel:
        echo = channel.unary_unary("/t/Echo")
        for i in range(CALLS):
            text = b"x" * LARGE if i == 0 else b"%d" % i
            got, call = echo.with_call(text, metadata=metadata, timeout=20)
            trailer = dict(call.trailing_metadata())
            assert got == text and trailer["length"] == str(len(text)), i

        # each word waits for the answer to the one before: both ways at once
        said = queue.Queue()
        answers = channel.stream_stream("/t/Chat")(
            iter(said.get, None), metadata=metadata, timeout=60)
        for i in range(CALLS):
            word = b"y" * LARGE if i == 1 else b"%d" % i
            said.put(word)
            assert next(answers) == b"re: " + word, i
        said.put(None)
        assert next(answers, None) is None

        try:
            channel.unary_unary("/t/Fail")(b"", metadata=metadata, timeout=20)
            raise AssertionError("the failure was lost")
        except grpc.RpcError as e:
            assert e.code() is grpc.StatusCode.FAILED_PRECONDITION, e
            assert e.details() == "as asked", e


async def websocket_serve(port, address="127.0.0.1"):
    import websockets

    async def talk(socket):
        async for message in socket:
            await socket.send(message)

    async with websockets.serve(talk, address, port, max_size=None,
                                 ping_interval=None):
        await asyncio.Future()


async def websocket_ask(target, headers):
    import websockets

    async with websockets.connect(f"ws://{target}/", extra_headers=headers,
                                  max_size=None) as socket:
        for i in range(CALLS):
            message = bytes(LARGE) if i == 0 else f"word {i}"
            await socket.send(message)
            assert await asyncio.wait_for(socket.recv(), 20) == message, i
        await asyncio.wait_for(await socket.ping(), 20)
    assert socket.close_code == 1000


def main():
    what, *rest = sys.argv[1:]
    if what == "grpc-serve":
        grpc_serve(*rest)
        return
    if what == "websocket-serve":
        asyncio.run(websocket_serve(int(rest[0]), *rest[1:]))
        return
    target = f"{rest[0]}:{rest[1]}"
    fields = [tuple(rest[2].split(":", 1))] if len(rest) > 2 else []
    if what == "grpc":
        grpc_ask(target, fields)
    else:
        asyncio.run(websocket_ask(target, fields))
    print("ok")


main()
