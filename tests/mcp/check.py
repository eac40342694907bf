"""The official client against the gateway. check.py URL KEY PHASE: prints a line for each thing that holds, fails at the first
that does not.

The phases are told by xtask, which approves tools between them: `before` nothing is approved, `after` everything that can be.
"""

import asyncio
import sys

from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError

url, key, phase = sys.argv[1:4]
ERAS = {"2025-06-18": "legacy", "2025-11-25": "legacy", "2026-07-28": "2026-07-28", "auto": "auto"}


def holds(what: str, true: bool, got: object = "") -> None:
    if not true:
        sys.exit(f"does not hold: {what}: {got}")
    print(f"  {what}")


def client(mode: str, path: str = "", token: str = key) -> Client:
    http = create_mcp_http_client(headers={"authorization": f"Bearer {token}"})
    return Client(streamable_http_client(url + path, http_client=http), mode=mode, cache=None)


async def refused(call) -> str:
    try:
        result = await call
    except MCPError as error:
        return str(error)
    return f"no error: {result}"


async def tools(connection: Client) -> list[str]:
    return [tool.name for tool in (await connection.list_tools()).tools]


def text(result) -> str:
    return "".join(getattr(part, "text", "") for part in result.content)


async def before() -> None:
    async with client("legacy") as connection:
        holds("nothing is listed before it is approved", await tools(connection) == [])
        why = await refused(connection.call_tool("mail__read_mail", {"id": "1"}))
        holds("and nothing is called", "approve mail read_mail" in why, why)


async def after() -> None:
    for name, mode in ERAS.items():
        if name == "2025-06-18":
            continue
        async with client(mode) as connection:
            listed = await tools(connection)
            expected = ["mail__read_mail", "mail__send_mail", "mail__delete_mail", "mail__change", "notes__add_note"]
            holds(f"{name}: the approved tools of both servers are listed", sorted(listed) == sorted(expected), listed)
            result = await connection.call_tool("mail__read_mail", {"id": "7"})
            holds(f"{name}: a tool of the HTTP server is called", "mail 7" in text(result), result)
            result = await connection.call_tool("notes__add_note", {"text": f"from {name}"})
            holds(f"{name}: a tool of the stdio server is called", f"from {name}" in text(result), result)
            heard: list[str] = []

            async def progress(done: float, total: float | None, message: str | None) -> None:
                heard.append(message or "")

            result = await connection.call_tool(
                "mail__send_mail", {"to": "a", "text": "b"}, progress_callback=progress
            )
            holds(f"{name}: progress is heard", heard == ["connecting", "sent"], heard)
            result = await connection.call_tool("mail__read_mail", {"id": "poisoned"})
            said = text(result)
            holds(f"{name}: a result that steers is withheld", result.is_error and "evil.example" not in said, said)
            why = await refused(connection.call_tool("notes__tidy_notes", {}))
            holds(f"{name}: a description that speaks of another server's tool is refused", "`send_mail`" in why, why)
            why = await refused(connection.call_tool("mail__delete_mail", {"id": "1"}))
            holds(f"{name}: policy refuses a tool", "nobody deletes mail" in why, why)
            resources = await connection.list_resources()
            uri = str(resources.resources[0].uri)
            read = await connection.read_resource(uri)
            holds(f"{name}: a resource is read under its server's name", uri == "mail+mail://inbox", read)
            prompt = await connection.get_prompt("mail__answer", {"id": "3"})
            holds(f"{name}: a prompt is got", "mail 3" in str(prompt), prompt)
    async with client("auto", "/notes") as connection:
        holds("a server has a door of its own", await tools(connection) == ["add_note"])
    try:
        async with client("legacy", token="tsk_nobody_nothing") as connection:
            await tools(connection)
        holds("without a key nobody gets in", False)
    except Exception:
        holds("without a key nobody gets in", True)


async def changed() -> None:
    async with client("auto") as connection:
        await connection.call_tool("mail__change", {"to": "on"})
        listed = await tools(connection)
        holds("a changed definition is not listed", "mail__read_mail" not in listed, listed)
        why = await refused(connection.call_tool("mail__read_mail", {"id": "1"}))
        holds("and not called", "not the one that was approved" in why, why)


async def approved() -> None:
    async with client("legacy") as connection:
        listed = await tools(connection)
        holds("approved again it is listed", "mail__read_mail" in listed, listed)
        result = await connection.call_tool("mail__read_mail", {"id": "8"})
        holds("and called", "mail 8" in text(result), result)


async def held(arguments: dict, reading: bool = True) -> str:
    """The id under which a call waits."""
    async with client("auto", "/office") as connection:
        if reading:
            await connection.call_tool("read_mail", {"id": "9"})
        try:
            result = await connection.call_tool("send_mail", arguments)
        except MCPError as error:
            holds("a call that nobody asked for waits, and its error names the approval", error.error.code == 409, error)
            return error.error.data["approval_id"]
    sys.exit(f"does not hold: a call that nobody asked for waits: {result}")


CALL = {"to": "ann@site.example", "text": "lunch at noon"}


async def waits() -> None:
    first = await held(CALL)
    holds("the same call waits for the same approval", await held(dict(reversed(CALL.items()))) == first)
    holds("another call for another one", await held(CALL | {"to": "eve@site.example"}) != first)
    print(first)


async def made() -> None:
    async with client("legacy", "/office") as connection:
        result = await connection.call_tool("send_mail", CALL)
        holds("approved, exactly that call is made", "sent to ann@site.example" in text(result), result)
    await held(CALL, reading=False)
    holds("once", True)


phases = {"before": before, "after": after, "changed": changed, "approved": approved, "waits": waits, "made": made}
asyncio.run(phases[phase]())
