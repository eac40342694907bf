// A small OpenAI- and Anthropic-shaped service over a real language model, for end-to-end tests.
//
//   node server.mjs MODEL.gguf PORT
//
// Every text comes from the model (temperature 0, fixed seed). Two things do not: ids and times, which are
// made from the request so that equal requests give equal bytes, and tool calls: a model this small does
// not choose tools reliably, so when tools are offered and no tool has answered yet, the first one is
// called with fixed arguments after the model's text. One request runs at a time.
import {createHash} from "node:crypto";
import http from "node:http";
import {getLlama, LlamaChatSession} from "node-llama-cpp";

const BODY_BYTES_MAX = 1 << 20;
const [modelPath, port] = process.argv.slice(2);
const llama = await getLlama({gpu: false, build: "never", logLevel: "error", maxThreads: 2});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({contextSize: 2048, sequences: 1});
const sequence = context.getSequence();
const CREATED = 1767225600;
let queue = Promise.resolve();

const server = http.createServer((request, response) => {
  readBody(request).then((raw) => route(request, response, raw)).catch((error) => {
    if (!response.headersSent) json(response, error.status ?? 500, failure(request.url, error.message));
    else response.destroy();
  });
});
server.listen(Number(port), "127.0.0.1", () => console.log(`ready on ${server.address().port}`));
process.on("SIGTERM", () => process.exit(0));

async function route(request, response, raw) {
  const path = request.url.replace(/\?.*$/, "");
  if (path === "/v1/models") {
    return json(response, 200, {object: "list", data: [{id: "smollm2-135m", object: "model", created: CREATED, owned_by: "local"}]});
  }
  const handlers = {
    "/v1/chat/completions": chat,
    "/v1/responses": responses,
    "/v1/messages": messages,
    "/v1/messages/count_tokens": countTokens,
  };
  const handler = handlers[path];
  if (!handler) throw Object.assign(new Error(`no such path ${path}`), {status: 404});
  let body;
  try {
    body = JSON.parse(raw);
  } catch {
    throw Object.assign(new Error("the body is not JSON"), {status: 400});
  }
  const id = createHash("sha256").update(raw).digest("hex").slice(0, 24);
  const run = queue.then(() => handler(response, body, id));
  queue = run.catch(() => {});
  await run;
}

// --- the model

// Runs the model over `turns`; `onText` gets each piece. Returns the text and its token counts.
async function generate(response, turns, tokensMax, onText) {
  const stop = new AbortController();
  const gone = () => stop.abort();
  response.on("close", gone);
  const system = turns.filter((it) => it.role === "system").map((it) => it.text).join("\n") || undefined;
  const talk = turns.filter((it) => it.role !== "system");
  const last = talk.pop()?.text ?? "";
  await sequence.clearHistory();
  const session = new LlamaChatSession({contextSequence: sequence, systemPrompt: system, autoDisposeSequence: false});
  const history = talk.map((it) => it.role === "assistant" ? {type: "model", response: [it.text]} : {type: "user", text: it.text});
  session.setChatHistory([...session.getChatHistory(), ...history]);
  try {
    const text = await session.prompt(last, {
      temperature: 0, seed: 7, maxTokens: Math.min(tokensMax ?? 48, 256), signal: stop.signal, stopOnAbortSignal: true,
      onTextChunk: onText,
    });
    const input = model.tokenize(turns.map((it) => it.text).join("\n")).length;
    return {text, input, output: model.tokenize(text).length};
  } finally {
    response.off("close", gone);
    session.dispose();
  }
}

function textOf(content) {
  if (typeof content === "string") return content;
  if (Array.isArray(content)) {
    return content.map((part) => part.text ?? (part.content ? textOf(part.content) : "")).join(" ");
  }
  return "";
}

function turnsOf(messages) {
  return messages.map((it) => ({
    role: ["system", "developer"].includes(it.role) ? "system" : it.role === "assistant" ? "assistant" : "user",
    text: textOf(it.content),
  })).filter((it) => it.text !== "");
}

// Fixed arguments: every required string property is "Paris", every number 2.
function fixedCall(name, schema) {
  const properties = schema?.properties ?? {};
  const input = {};
  for (const key of schema?.required ?? Object.keys(properties)) {
    input[key] = ["integer", "number"].includes(properties[key]?.type) ? 2 : "Paris";
  }
  return {name, input};
}

// --- OpenAI chat completions

async function chat(response, body, id) {
  const offered = body.tools?.[0]?.function;
  const answered = body.messages.some((it) => it.role === "tool");
  const call = offered && !answered ? fixedCall(offered.name, offered.parameters) : undefined;
  const head = {id: `chatcmpl-${id}`, object: "chat.completion.chunk", created: CREATED, model: body.model};
  const tokensMax = body.max_completion_tokens ?? body.max_tokens;
  const usageOf = (it) => ({prompt_tokens: it.input, completion_tokens: it.output, total_tokens: it.input + it.output});
  const finish = call ? "tool_calls" : "stop";
  if (!body.stream) {
    const made = await generate(response, turnsOf(body.messages), tokensMax);
    const message = {role: "assistant", content: made.text, refusal: null};
    if (call) {
      message.tool_calls = [{id: `call_${id}`, type: "function", function: {name: call.name, arguments: JSON.stringify(call.input)}}];
    }
    return json(response, 200, {
      ...head, object: "chat.completion",
      choices: [{index: 0, message, logprobs: null, finish_reason: finish}],
      usage: usageOf(made), system_fingerprint: "fp_local",
    });
  }
  stream(response);
  const send = (delta, reason = null) =>
    response.write(`data: ${JSON.stringify({...head, choices: [{index: 0, delta, logprobs: null, finish_reason: reason}]})}\n\n`);
  send({role: "assistant", content: "", refusal: null});
  const made = await generate(response, turnsOf(body.messages), tokensMax, (text) => send({content: text}));
  if (call) {
    send({tool_calls: [{index: 0, id: `call_${id}`, type: "function", function: {name: call.name, arguments: ""}}]});
    for (const piece of JSON.stringify(call.input).match(/.{1,6}/gs)) {
      send({tool_calls: [{index: 0, function: {arguments: piece}}]});
    }
  }
  send({}, finish);
  if (body.stream_options?.include_usage) {
    response.write(`data: ${JSON.stringify({...head, choices: [], usage: usageOf(made)})}\n\n`);
  }
  response.end("data: [DONE]\n\n");
}

// --- OpenAI Responses (text only)

async function responses(response, body, id) {
  const turns = typeof body.input === "string" ? [{role: "user", text: body.input}] : turnsOf(body.input);
  if (body.instructions) turns.unshift({role: "system", text: body.instructions});
  const item = (status, text) => ({
    id: `msg_${id}`, type: "message", status, role: "assistant",
    content: text === undefined ? [] : [part(text)],
  });
  const part = (text) => ({type: "output_text", annotations: [], logprobs: [], text});
  const whole = (status, output, usage) => ({
    id: `resp_${id}`, object: "response", created_at: CREATED, status, error: null, incomplete_details: null,
    instructions: body.instructions ?? null, max_output_tokens: body.max_output_tokens ?? null, model: body.model,
    output, parallel_tool_calls: true, previous_response_id: null, reasoning: {effort: null, summary: null},
    store: false, temperature: 0, text: {format: {type: "text"}}, tool_choice: "auto", tools: [], top_p: 1,
    truncation: "disabled", usage, user: null, metadata: {},
  });
  const usageOf = (it) => ({
    input_tokens: it.input, input_tokens_details: {cached_tokens: 0},
    output_tokens: it.output, output_tokens_details: {reasoning_tokens: 0}, total_tokens: it.input + it.output,
  });
  if (!body.stream) {
    const made = await generate(response, turns, body.max_output_tokens);
    return json(response, 200, whole("completed", [item("completed", made.text)], usageOf(made)));
  }
  stream(response);
  let number = 0;
  const send = (type, fields) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify({type, sequence_number: number++, ...fields})}\n\n`);
  const at = {item_id: `msg_${id}`, output_index: 0, content_index: 0};
  send("response.created", {response: whole("in_progress", [], null)});
  send("response.in_progress", {response: whole("in_progress", [], null)});
  send("response.output_item.added", {output_index: 0, item: item("in_progress")});
  send("response.content_part.added", {...at, part: part("")});
  let text = "";
  const made = await generate(response, turns, body.max_output_tokens, (piece) => {
    text += piece;
    send("response.output_text.delta", {...at, delta: piece, logprobs: []});
  });
  send("response.output_text.done", {...at, text, logprobs: []});
  send("response.content_part.done", {...at, part: part(text)});
  send("response.output_item.done", {output_index: 0, item: item("completed", text)});
  send("response.completed", {response: whole("completed", [item("completed", text)], usageOf(made))});
  response.end();
}

// --- Anthropic messages

async function messages(response, body, id) {
  const turns = turnsOf(body.messages);
  if (body.system) turns.unshift({role: "system", text: textOf(body.system)});
  const offered = body.tools?.[0];
  const answered = body.messages.some((it) => Array.isArray(it.content) && it.content.some((part) => part.type === "tool_result"));
  const call = offered && !answered ? fixedCall(offered.name, offered.input_schema) : undefined;
  const reason = call ? "tool_use" : "end_turn";
  const message = (content, stop_reason, made) => ({
    id: `msg_${id}`, type: "message", role: "assistant", model: body.model, content, stop_reason, stop_sequence: null,
    usage: {input_tokens: made.input, output_tokens: made.output},
  });
  if (!body.stream) {
    const made = await generate(response, turns, body.max_tokens);
    const content = [{type: "text", text: made.text}];
    if (call) content.push({type: "tool_use", id: `toolu_${id}`, name: call.name, input: call.input});
    return json(response, 200, message(content, reason, made));
  }
  stream(response);
  const send = (type, fields) => response.write(`event: ${type}\ndata: ${JSON.stringify({type, ...fields})}\n\n`);
  const input = model.tokenize(turns.map((it) => it.text).join("\n")).length;
  send("message_start", {message: message([], null, {input, output: 1})});
  send("content_block_start", {index: 0, content_block: {type: "text", text: ""}});
  send("ping", {});
  const made = await generate(response, turns, body.max_tokens, (text) =>
    send("content_block_delta", {index: 0, delta: {type: "text_delta", text}}));
  send("content_block_stop", {index: 0});
  if (call) {
    send("content_block_start", {index: 1, content_block: {type: "tool_use", id: `toolu_${id}`, name: call.name, input: {}}});
    for (const piece of JSON.stringify(call.input).match(/.{1,6}/gs)) {
      send("content_block_delta", {index: 1, delta: {type: "input_json_delta", partial_json: piece}});
    }
    send("content_block_stop", {index: 1});
  }
  send("message_delta", {delta: {stop_reason: reason, stop_sequence: null}, usage: {output_tokens: made.output}});
  send("message_stop", {});
  response.end();
}

async function countTokens(response, body) {
  const turns = turnsOf(body.messages);
  json(response, 200, {input_tokens: model.tokenize(turns.map((it) => it.text).join("\n")).length});
}

// --- HTTP

async function readBody(request) {
  const pieces = [];
  let bytes = 0;
  for await (const piece of request) {
    bytes += piece.length;
    if (bytes > BODY_BYTES_MAX) throw Object.assign(new Error("the body is too large"), {status: 413});
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function stream(response) {
  response.writeHead(200, {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"});
}

function json(response, status, value) {
  const text = JSON.stringify(value);
  response.writeHead(status, {"content-type": "application/json", "content-length": Buffer.byteLength(text)});
  response.end(text);
}

function failure(url, message) {
  return url.startsWith("/v1/messages")
    ? {type: "error", error: {type: "invalid_request_error", message}}
    : {error: {message, type: "invalid_request_error", param: null, code: null}};
}
