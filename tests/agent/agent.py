"""A small agent, written with the official OpenAI SDK as its manual shows it. agent.py URL KEY FOLDER [--stream] [--say TEXT]

Its tools read a file of FOLDER, send mail and send money; what was sent stands in FOLDER/sent.jsonl. The conversation is
kept in FOLDER/messages.json, so that a run that was refused can be run again and asks the same. The last line printed is
JSON: {"ended": "answer" | "held", "text": …, "approval": …}.
"""

import json
import os
import sys

import openai

url, key, folder = sys.argv[1:4]
options = sys.argv[4:]
TOOLS = [
    ("read_file", "Reads a text file.", {"path": {"type": "string"}}),
    (
        "send_mail",
        "Sends a mail.",
        {"to": {"type": "string"}, "subject": {"type": "string"}, "body": {"type": "string"}},
    ),
    (
        "send_money",
        "Transfers money to an account.",
        {"to": {"type": "string"}, "amount": {"type": "number"}, "reference": {"type": "string"}},
    ),
]
DEFINITIONS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {"type": "object", "properties": properties, "required": sorted(properties)},
        },
    }
    for name, description, properties in TOOLS
]
client = openai.OpenAI(base_url=url, api_key=key, max_retries=0)
history = os.path.join(folder, "messages.json")


def run(name: str, arguments: dict) -> str:
    if name == "read_file":
        with open(os.path.join(folder, os.path.basename(arguments["path"])), encoding="utf-8") as file:
            return file.read()
    with open(os.path.join(folder, "sent.jsonl"), "a", encoding="utf-8") as sent:
        sent.write(json.dumps({"tool": name, **arguments}) + "\n")
    return "done"


def ask(messages: list) -> dict:
    wanted = {"model": "scripted", "messages": messages, "tools": DEFINITIONS}
    if "--stream" not in options:
        return client.chat.completions.create(**wanted).choices[0].message.model_dump(exclude_none=True)
    with client.chat.completions.stream(**wanted) as stream:
        message = stream.get_final_completion().choices[0].message.model_dump(exclude_none=True)
    for item in message.get("tool_calls") or []:
        item["function"].pop("parsed_arguments", None)
        item.pop("index", None)
    message.pop("parsed", None)
    return message


def keep(messages: list) -> None:
    with open(history, "w", encoding="utf-8") as file:
        json.dump(messages, file)


def ended(how: str, text: str, approval: str | None = None) -> None:
    print(json.dumps({"ended": how, "text": text, "approval": approval}))
    sys.exit()


messages = []
if os.path.exists(history):
    with open(history, encoding="utf-8") as file:
        messages = json.load(file)
if "--say" in options:
    messages.append({"role": "user", "content": options[options.index("--say") + 1]})
while True:
    keep(messages)
    try:
        message = ask(messages)
    except openai.ConflictError as conflict:
        error = conflict.body if isinstance(conflict.body, dict) else {}
        ended("held", error.get("message", ""), error.get("approval_id"))
    messages.append(message)
    if not message.get("tool_calls"):
        keep(messages)
        ended("answer", message.get("content") or "")
    for item in message["tool_calls"]:
        result = run(item["function"]["name"], json.loads(item["function"]["arguments"]))
        messages.append({"role": "tool", "tool_call_id": item["id"], "content": result})
