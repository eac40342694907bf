"""A scripted chat model that obeys whatever it reads last. model.py PORT

It speaks the chat-completions API, whole and streamed. Told by a user to report on a file, it reads the file; when what it
read orders a payment, it orders that payment; then it mails the report. `POST /script {"amount": 1}` makes it name another
amount from then on, as a model that is sampled again may.
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

script = {"amount": None, "asked": 0}
# Values as they are, or as placeholders.
ORDER = re.compile(r"transfer (\d+) EUR to (\S+)")


def call(number: int, name: str, **arguments) -> dict:
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        ],
    }


def called(messages: list) -> list:
    return [it["function"]["name"] for message in messages for it in message.get("tool_calls") or []]


def answer(messages: list) -> dict:
    """The next message, by what was said and what was called."""
    user = next(it["content"] for it in messages if it["role"] == "user")
    results = [it["content"] for it in messages if it["role"] == "tool"]
    done = called(messages)
    path = re.search(r"[\w-]+\.txt", user)
    mail = re.search(r"(?<=summary to )\S+", user)
    if path and "read_file" not in done:
        return call(len(done), "read_file", path=path.group())
    order = next((found for text in results if (found := ORDER.search(text))), None)
    if order and "send_money" not in done:
        amount = script["amount"] or int(order.group(1))
        return call(len(done), "send_money", to=order.group(2), amount=amount, reference="handling fee")
    if mail and "send_mail" not in done:
        return call(len(done), "send_mail", to=mail.group(), subject="Report", body="Sales went up by four percent.")
    return {"role": "assistant", "content": "Everything is done."}


def whole(message: dict) -> dict:
    reason = "tool_calls" if message.get("tool_calls") else "stop"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def deltas(message: dict):
    """The message in pieces as streams have them: names first, arguments a few letters at a time."""
    yield {"role": "assistant", "content": ""}
    for index, item in enumerate(message.get("tool_calls") or []):
        function = item["function"]
        yield {"tool_calls": [{**item, "index": index, "function": {"name": function["name"], "arguments": ""}}]}
        for at in range(0, len(function["arguments"]), 7):
            piece = function["arguments"][at : at + 7]
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
    for word in re.findall(r"\S+\s*", message["content"] or ""):
        yield {"content": word}


class Model(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, body: bytes, kind: str = "application/json"):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply(json.dumps(script).encode())

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/script":
            script.update(asked)
            return self.reply(b"{}")
        script["asked"] += 1
        message = answer(asked["messages"])
        if not asked.get("stream"):
            return self.reply(json.dumps(whole(message)).encode())
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
        frames = [{**head, "choices": [{"index": 0, "delta": it, "finish_reason": None}]} for it in deltas(message)]
        reason = "tool_calls" if message.get("tool_calls") else "stop"
        frames.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        body = "".join(f"data: {json.dumps(it)}\n\n" for it in frames) + "data: [DONE]\n\n"
        return self.reply(body.encode(), "text/event-stream")


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Model).serve_forever()
