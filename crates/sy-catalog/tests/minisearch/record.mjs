// Records how minisearch ranks the bundled models: the goldens of sy-catalog's own ranking.
// `npm install && npm run record` here, after the bundled catalog or the searched fields changed.
import { readFileSync, writeFileSync } from "node:fs";
import MiniSearch from "minisearch";

const QUERIES = [
  "gpt", "gpt-5", "gpt 5.4", "gpt-5-mini", "openai gpt", "o3", "o4-mini", "claude", "claude opus", "claude-sonnet-4-5",
  "anthropic/claude-opus-4-6", "clade opus", "anthropc", "sonnet 4.6", "haiku", "gemini", "gemini 2.5 flash", "gemni flash",
  "google gemini pro", "glm", "glm-5", "z.ai glm", "zai coding plan", "zen", "big pickle", "kimi", "kimi k2.5", "moonshot k3",
  "qwen", "qwen3 coder", "qwen/qwen3-coder:free", "quen3 codr", "llama 3.3 70b", "lama 3.3", "deepseek", "deepseek r1",
  "deepsek v3", "mistral", "mistral large", "devstral", "groq llama", "nvidia nemotron", "nemotorn", "openrouter free", "free",
  "grok code", "xai grok 4", "command-r+", "minimax m2.5", "mimo flash", "fast", "a", "5", "FLASH", "  claude   haiku ",
  "claude claude", "bedrock nova", "copilot gpt", "embedding", "no-such-word-anywhere", "versatile instant", "gpt-oss-120b",
  "thinking", "vercel claude", "ollama",
];

const { fields, boost, fuzzy, fuzzyFrom, documents } = JSON.parse(readFileSync(new URL("documents.json", import.meta.url)));
const { version } = JSON.parse(readFileSync(new URL("node_modules/minisearch/package.json", import.meta.url)));
const engine = new MiniSearch({ fields });
engine.addAll(documents);

const rounded = (score) => Number(score.toExponential(10));
const rank = (query, combineWith) => {
  const options = { boost, combineWith, prefix: true, fuzzy: (term) => (term.length >= fuzzyFrom ? fuzzy : false) };
  const found = engine.search(query, options);
  // Equal scores are ordered by id: minisearch leaves them in the order in which its tree met them.
  found.sort((a, b) => rounded(b.score) - rounded(a.score) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const top = found.slice(0, 20).map(({ id, score }) => ({ id, score }));
  return { query, combine: combineWith, count: found.length, top };
};

const queries = QUERIES.flatMap((query) =>
  query.trim().includes(" ") || /[-./]/.test(query) ? [rank(query, "AND"), rank(query, "OR")] : [rank(query, "AND")],
);
const lines = queries.map((entry) => JSON.stringify(entry)).join(",\n");
const head = `"minisearch":${JSON.stringify(version)},"documents":${documents.length}`;
writeFileSync(new URL("golden.json", import.meta.url), `{${head},"queries":[\n${lines}\n]}\n`);
console.log(`${queries.length} queries over ${documents.length} models`);
