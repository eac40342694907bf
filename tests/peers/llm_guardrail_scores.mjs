// llm_guardrail's highest probability of its three models; the package is in the folder of the second argument.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [rows, modules] = process.argv.slice(2);
const { checkInjection, checkJailbreak } = await import(
  pathToFileURL(path.join(modules, "llm_guardrail", "index.js"))
);
const texts = fs.readFileSync(rows, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
await Promise.all([checkInjection("warm up"), checkJailbreak("warm up")]);
const out = [];
const began = performance.now();
for (const { id, text } of texts) {
  const checks = await Promise.all([checkInjection(text), checkJailbreak(text)]);
  out.push(JSON.stringify({ id, score: Math.max(...checks.map((check) => check.confidence)) }));
}
const seconds = (performance.now() - began) / 1000;
out.push(JSON.stringify({ seconds, texts: texts.length }));
fs.writeSync(1, out.join("\n") + "\n");
