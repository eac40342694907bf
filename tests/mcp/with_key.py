"""Adds a key to every request: the conformance suite sends none. with_key.py PORT GATEWAY_PORT KEY."""

import asyncio
import sys

port, gateway, key = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def requests(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            lengths = [line.split(b":", 1)[1] for line in lines if line.lower().startswith(b"content-length:")]
            lines.insert(1, f"Authorization: Bearer {key}".encode())
            writer.write(b"\r\n".join(lines) + await reader.readexactly(int(lengths[0]) if lengths else 0))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", gateway)
    await asyncio.gather(requests(reader, upstream_writer), pipe(upstream_reader, writer))


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    await server.serve_forever()


asyncio.run(main())
