"""Calls a service with the official Python SDKs and prints one JSON line per call.

python calls.py openai|openai-edited|anthropic BASE_URL   (the key comes from SDK_KEY)
"""

import json
import os
import sys

MODEL = "smollm2-135m"
QUESTION = "What is the capital of France?"
TOOL_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}


def show(call, /, **found):
    print(json.dumps({"call": call, **found}, sort_keys=True), flush=True)


def openai_calls(base_url, key):
    from openai import OpenAI, NotFoundError

    client = OpenAI(base_url=base_url + "/v1", api_key=key, max_retries=0)
    tools = [{"type": "function", "function": {"name": "get_weather", "description": "Weather of a city", "parameters": TOOL_SCHEMA}}]
    messages = [{"role": "system", "content": "Answer in one sentence."}, {"role": "user", "content": QUESTION}]

    show("models", ids=[it.id for it in client.models.list().data])

    whole = client.chat.completions.create(model=MODEL, messages=messages, temperature=0, seed=7, max_tokens=24)
    show("chat", text=whole.choices[0].message.content, finish=whole.choices[0].finish_reason, usage=whole.usage.total_tokens)

    text, frames, usage = "", 0, None
    stream = client.chat.completions.create(
        model=MODEL, messages=messages, temperature=0, seed=7, max_tokens=24, stream=True, stream_options={"include_usage": True}
    )
    for chunk in stream:
        frames += 1
        usage = chunk.usage.total_tokens if chunk.usage else usage
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
    show("chat stream", text=text, frames=frames, usage=usage)

    first = client.chat.completions.create(model=MODEL, messages=messages, temperature=0, seed=7, max_tokens=16, tools=tools)
    call = first.choices[0].message.tool_calls[0]
    show("chat tools", name=call.function.name, arguments=json.loads(call.function.arguments), finish=first.choices[0].finish_reason)

    arguments, name = "", None
    for chunk in client.chat.completions.create(
        model=MODEL, messages=messages, temperature=0, seed=7, max_tokens=16, tools=tools, stream=True
    ):
        for delta in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            name = delta.function.name or name
            arguments += delta.function.arguments or ""
    show("chat tools stream", name=name, arguments=json.loads(arguments))

    followed = messages + [
        {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]},
        {"role": "tool", "tool_call_id": call.id, "content": "Paris: sunny, 21 degrees"},
    ]
    answer = client.chat.completions.create(model=MODEL, messages=followed, temperature=0, seed=7, max_tokens=24, tools=tools)
    show("chat tool result", text=answer.choices[0].message.content, finish=answer.choices[0].finish_reason)

    response = client.responses.create(model=MODEL, input=QUESTION, instructions="Answer in one sentence.", max_output_tokens=24)
    show("responses", text=response.output_text, status=response.status)

    text, kinds = "", []
    for event in client.responses.create(model=MODEL, input=QUESTION, max_output_tokens=24, stream=True):
        if not kinds or kinds[-1] != event.type:
            kinds.append(event.type)
        if event.type == "response.output_text.delta":
            text += event.delta
    show("responses stream", text=text, kinds=kinds)

    try:
        client.post("/no-such-path", cast_to=object, body={})
        show("unknown path", error=None)
    except NotFoundError as error:
        show("unknown path", error=type(error).__name__)


def edited_calls(base_url, key):
    """Calls that a gateway with personal-data masking edits on their way up."""
    from openai import OpenAI

    client = OpenAI(base_url=base_url + "/v1", api_key=key, max_retries=0)
    messages = [{"role": "user", "content": "My address is ada.lovelace@engine-room.org. Say hello."}]
    answer = client.chat.completions.create(model=MODEL, messages=messages, temperature=0, seed=7, max_tokens=24)
    show("edited", text=bool(answer.choices[0].message.content))
    parts = []
    for chunk in client.chat.completions.create(
        model=MODEL, messages=messages, temperature=0, seed=7, max_tokens=24, stream=True
    ):
        if chunk.choices:
            parts.append(chunk.choices[0].delta.content or "")
    show("edited stream", text=bool("".join(parts)))


def anthropic_calls(base_url, key):
    from anthropic import Anthropic

    client = Anthropic(base_url=base_url, api_key=key, max_retries=0)
    messages = [{"role": "user", "content": QUESTION}]
    tools = [{"name": "get_weather", "description": "Weather of a city", "input_schema": TOOL_SCHEMA}]
    common = {"model": MODEL, "messages": messages, "system": "Answer in one sentence.", "max_tokens": 24}

    show("count tokens", tokens=client.messages.count_tokens(model=MODEL, messages=messages).input_tokens)

    whole = client.messages.create(**common)
    show("messages", text=whole.content[0].text, stop=whole.stop_reason, usage=whole.usage.output_tokens)

    with client.messages.stream(**common) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    show("messages stream", text=text, stop=final.stop_reason, usage=final.usage.output_tokens)

    first = client.messages.create(**common, tools=tools)
    call = first.content[-1]
    show("messages tools", name=call.name, input=call.input, stop=first.stop_reason)

    with client.messages.stream(**common, tools=tools) as stream:
        final = stream.get_final_message()
    show("messages tools stream", name=final.content[-1].name, input=final.content[-1].input, stop=final.stop_reason)

    followed = messages + [
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "Paris: sunny, 21 degrees"}]},
    ]
    answer = client.messages.create(**{**common, "messages": followed}, tools=tools)
    show("messages tool result", text=answer.content[0].text, stop=answer.stop_reason)


if __name__ == "__main__":
    calls = {"openai": openai_calls, "openai-edited": edited_calls, "anthropic": anthropic_calls}
    calls[sys.argv[1]](sys.argv[2], os.environ["SDK_KEY"])
