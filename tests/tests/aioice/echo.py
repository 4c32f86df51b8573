"""A party with ICE by aioice: RTP and RTCP as components of their own, every datagram is sent back.

Prints its credentials and candidates as a line of JSON, reads the peer's as another, prints `connected`.
"""

import asyncio
import json
import sys

import aioice


async def main(role):
    connection = aioice.Connection(ice_controlling=role == "controlling", components=2, use_ipv6=False)
    await connection.gather_candidates()
    own = {
        "ufrag": connection.local_username,
        "pwd": connection.local_password,
        "candidates": [candidate.to_sdp() for candidate in connection.local_candidates],
    }
    print(json.dumps(own), flush=True)
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    peer = json.loads(line)
    connection.remote_username = peer["ufrag"]
    connection.remote_password = peer["pwd"]
    for candidate in peer["candidates"]:
        await connection.add_remote_candidate(aioice.Candidate.from_sdp(candidate))
    await connection.add_remote_candidate(None)
    await connection.connect()
    print("connected", flush=True)
    while True:
        data, component = await connection.recvfrom()
        await connection.sendto(data, component)


asyncio.run(main(sys.argv[1]))
