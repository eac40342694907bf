// Calls a service with the official OpenAI JavaScript SDK and prints one JSON line per call.
//
//   node calls.mjs BASE_URL   (the key comes from SDK_KEY)
import OpenAI from "openai";

const MODEL = "smollm2-135m";
const [baseUrl] = process.argv.slice(2);
const client = new OpenAI({baseURL: `${baseUrl}/v1`, apiKey: process.env.SDK_KEY, maxRetries: 0});
const messages = [
  {role: "system", content: "Answer in one sentence."},
  {role: "user", content: "What is the capital of France?"},
];
const tools = [{
  type: "function",
  function: {
    name: "get_weather", description: "Weather of a city",
    parameters: {type: "object", properties: {city: {type: "string"}, days: {type: "integer"}}, required: ["city", "days"]},
  },
}];
const common = {model: MODEL, messages, temperature: 0, seed: 7, max_tokens: 24};
const show = (call, found) => console.log(JSON.stringify({call, ...found}));

const whole = await client.chat.completions.create(common);
show("chat", {text: whole.choices[0].message.content, usage: whole.usage.total_tokens});

let text = "";
let frames = 0;
for await (const chunk of await client.chat.completions.create({...common, stream: true, stream_options: {include_usage: true}})) {
  frames += 1;
  text += chunk.choices[0]?.delta?.content ?? "";
}
show("chat stream", {text, frames});

const first = await client.chat.completions.create({...common, tools});
const call = first.choices[0].message.tool_calls[0].function;
show("chat tools", {name: call.name, arguments: JSON.parse(call.arguments)});

let pieces = "";
for await (const chunk of await client.chat.completions.create({...common, tools, stream: true})) {
  for (const delta of chunk.choices[0]?.delta?.tool_calls ?? []) pieces += delta.function?.arguments ?? "";
}
show("chat tools stream", {arguments: JSON.parse(pieces)});

const response = await client.responses.create({model: MODEL, input: "What is the capital of France?", max_output_tokens: 24});
show("responses", {text: response.output_text});

let answer = "";
for await (const event of await client.responses.create({model: MODEL, input: "What is the capital of France?", max_output_tokens: 24, stream: true})) {
  if (event.type === "response.output_text.delta") answer += event.delta;
}
show("responses stream", {text: answer});
