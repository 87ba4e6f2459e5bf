"""The other end of a WebSocket connection, by Python's `websockets`.

    websockets_peer.py serve FILE         prints its port; sends back every message of one connection, some in
                                          fragments, with pings between; keeps the first message in FILE
    websockets_peer.py connect PORT FILE  sends what FILE holds, whole and in fragments, with pings between;
                                          wants it back each time

Exits with 0 if the connection ended with close code 1000.
"""

import asyncio
import sys

import websockets

_ROUNDS = 60
_TIMEOUT_SECONDS = 60


async def _parts(message, size):
    for at in range(0, len(message), size):
        yield message[at : at + size]


async def _send_back(socket, first_message_file):
    count = 0
    async for message in socket:
        assert isinstance(message, bytes), "a text message"
        if count == 0:
            with open(first_message_file, "wb") as file:
                file.write(message)
        count += 1
        if count % 5 == 0:
            await (await socket.ping(b"between messages"))
        await socket.send(_parts(message, 1000) if count % 3 == 0 else message)


async def serve(first_message_file):
    ended = asyncio.get_running_loop().create_future()

    async def on_connection(socket):
        await _send_back(socket, first_message_file)
        ended.set_result(socket.close_code)

    async with websockets.serve(on_connection, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        return await ended


async def connect(port, message_file):
    with open(message_file, "rb") as file:
        message = file.read()
    async with websockets.connect(f"ws://127.0.0.1:{port}/bus", origin="http://localhost") as socket:
        for turn in range(_ROUNDS):
            await socket.send(_parts(message, 1 + turn) if turn % 2 else message)
            if turn % 7 == 0:
                await (await socket.ping(b"x" * turn))
            assert await socket.recv() == message, "another message came back"
    return socket.close_code


async def main():
    run = serve(sys.argv[2]) if sys.argv[1] == "serve" else connect(sys.argv[2], sys.argv[3])
    code = await asyncio.wait_for(run, _TIMEOUT_SECONDS)
    assert code == 1000, f"closed with {code}"


asyncio.run(main())
