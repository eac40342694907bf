"""A server with what the official conformance suite asks for, with the official SDK. everything.py PORT FOLDER."""

import asyncio
import base64
import struct
import sys
import zlib

import mcp_types as types
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel, Field

port = int(sys.argv[1])
server = MCPServer("everything")


def png() -> bytes:
    """One red point."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")


IMAGE = base64.b64encode(png()).decode()
SOUND = base64.b64encode(b"RIFF$\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8) + b"data\0\0\0\0").decode()
EMBEDDED = types.EmbeddedResource(
    type="resource",
    resource=types.TextResourceContents(
        uri="test://embedded-resource", mime_type="text/plain", text="This is an embedded resource content."
    ),
)


@server.tool()
def test_simple_text() -> str:
    """Answers with a text."""
    return "This is a simple text response for testing."


@server.tool(structured_output=False)
def test_image_content() -> list[types.ImageContent]:
    """Answers with a picture."""
    return [types.ImageContent(type="image", data=IMAGE, mime_type="image/png")]


@server.tool(structured_output=False)
def test_audio_content() -> list[types.AudioContent]:
    """Answers with a sound."""
    return [types.AudioContent(type="audio", data=SOUND, mime_type="audio/wav")]


@server.tool(structured_output=False)
def test_embedded_resource() -> list[types.EmbeddedResource]:
    """Answers with a resource."""
    return [EMBEDDED]


@server.tool(structured_output=False)
def test_multiple_content_types() -> list:
    """Answers with several kinds of content."""
    mixed = types.TextResourceContents(
        uri="test://mixed-content-resource", mime_type="application/json", text='{"test":"data","value":123}'
    )
    return [
        types.TextContent(type="text", text="Multiple content types test:"),
        types.ImageContent(type="image", data=IMAGE, mime_type="image/png"),
        types.EmbeddedResource(type="resource", resource=mixed),
    ]


@server.tool()
async def test_tool_with_logging(context: Context) -> str:
    """Logs while it runs."""
    for text in ["Tool execution started", "Tool processing data", "Tool execution completed"]:
        await context.info(text)
        await asyncio.sleep(0.05)
    return "logged"


@server.tool()
def test_error_handling() -> str:
    """Fails."""
    raise ValueError("This tool intentionally returns an error for testing")


@server.tool()
async def test_tool_with_progress(context: Context) -> str:
    """Reports progress."""
    for done in (0, 50, 100):
        await context.report_progress(done, 100)
        await asyncio.sleep(0.05)
    return "done"


@server.tool()
async def test_sampling(prompt: str, context: Context) -> str:
    """Asks the caller's model."""
    content = types.TextContent(type="text", text=prompt)
    message = types.SamplingMessage(role="user", content=content)
    answer = await context.session.create_message(messages=[message], max_tokens=100)
    return f"LLM response: {getattr(answer.content, 'text', answer.content)}"


class Who(BaseModel):
    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


@server.tool()
async def test_elicitation(message: str, context: Context) -> str:
    """Asks the user."""
    answer = await context.elicit(message, Who)
    return f"User response: {answer.model_dump_json()}"


async def asked(context: Context, message: str, properties: dict) -> str:
    schema = {"type": "object", "properties": properties, "required": []}
    answer = await context.session.elicit_form(message, schema)
    return f"Elicitation completed: action={answer.action}, content={answer.content}"


@server.tool()
async def test_elicitation_sep1034_defaults(context: Context) -> str:
    """Asks with defaults."""
    return await asked(
        context,
        "Please review",
        {
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
            "verified": {"type": "boolean", "default": True},
        },
    )


@server.tool()
async def test_elicitation_sep1330_enums(context: Context) -> str:
    """Asks with every kind of choice."""
    plain = ["option1", "option2", "option3"]
    titled = [{"const": f"value{n}", "title": f"{word} Option"} for n, word in enumerate(["First", "Second", "Third"], 1)]
    return await asked(
        context,
        "Please choose",
        {
            "untitledSingle": {"type": "string", "enum": plain},
            "titledSingle": {"type": "string", "oneOf": titled},
            "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"]},
            "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
            "titledMulti": {"type": "array", "items": {"anyOf": titled}},
        },
    )


@server.resource("test://static-text", mime_type="text/plain")
def static_text() -> str:
    """A text."""
    return "This is the content of the static text resource."


@server.resource("test://static-binary", mime_type="image/png")
def static_binary() -> bytes:
    """A picture."""
    return png()


@server.resource("test://watched-resource", mime_type="text/plain")
def watched() -> str:
    """A text that may change."""
    return "watched"


@server.resource("test://template/{id}/data", mime_type="application/json")
def template(id: str) -> str:
    """Data by id."""
    return f'{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}'


@server.prompt()
def test_simple_prompt() -> str:
    """A prompt."""
    return "This is a simple prompt for testing."


@server.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """A prompt with arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@server.prompt()
def test_prompt_with_embedded_resource(resourceUri: str) -> list:
    """A prompt with a resource."""
    content = types.TextResourceContents(
        uri=resourceUri, mime_type="text/plain", text="Embedded resource content for testing."
    )
    return [
        {"role": "user", "content": types.EmbeddedResource(type="resource", resource=content)},
        {"role": "user", "content": types.TextContent(type="text", text="Please process the embedded resource above.")},
    ]


@server.prompt()
def test_prompt_with_image() -> list:
    """A prompt with a picture."""
    return [
        {"role": "user", "content": types.ImageContent(type="image", data=IMAGE, mime_type="image/png")},
        {"role": "user", "content": types.TextContent(type="text", text="Please analyze the image above.")},
    ]


@server.completion()
async def complete(reference, argument, context) -> types.Completion:
    words = ["paris", "park", "party"]
    return types.Completion(values=[word for word in words if word.startswith(argument.value)])


server.run(transport="streamable-http", host="127.0.0.1", port=port)
