"""How the tests drive a peer: one JSON object a line on stdin, one reply a line on stdout."""

import asyncio
import json
import sys
import traceback


async def serve(handlers):
    """Answers `{"do": NAME, ...}` by `await handlers[NAME](**rest)` until stdin ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        request = json.loads(line)
        name = request.pop("do")
        try:
            reply = await handlers[name](**request) or {}
        except Exception as error:
            traceback.print_exc()
            reply = {"error": f"{name}: {type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)
