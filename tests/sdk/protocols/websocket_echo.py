"""A WebSocket server that sends back what it gets, and its client.

    python websocket_echo.py serve                  # prints its port
    python websocket_echo.py call ws://127.0.0.1:8080/
"""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def listen():
    async with serve(echo, "127.0.0.1", 0, subprotocols=["chat"]) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


async def call(url):
    async with connect(url, subprotocols=["chat"]) as socket:
        assert socket.subprotocol == "chat"
        for message in ("hällo", b"\x00\xff", "x" * 200_000):
            await socket.send(message)
            assert await socket.recv() == message
        await (await socket.ping())
    assert socket.close_code == 1000, socket.close_code
    print("all messages")


asyncio.run(listen() if sys.argv[1] == "serve" else call(sys.argv[2]))
