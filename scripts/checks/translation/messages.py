"""Messages, history, usage, ends and errors as they cross from one protocol to another, with a scripted provider."""
import contextlib, http.client, http.server, json, threading

import loopback

# The package of OpenAI itself speaks chat too and would relay it; this one speaks responses alone.
PACKAGES = {"chat": "@ai-sdk/openai-compatible", "responses": "@ai-sdk/amazon-bedrock/mantle", "messages": "@ai-sdk/anthropic", "gemini": "@ai-sdk/google", "zai": "@ai-sdk/zai", "ollama": "ollama"}
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
BILLING = "x-anthropic-billing-header: cc_version=2.1.37; cc_entrypoint=cli; cch=4f1d3;"
FINISH_WORDS = {
    "chat": {"stop", "length", "tool_calls", "content_filter", "function_call"},
    "messages": {"end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal"},
}
RESPONSE_CODES = {"server_error", "rate_limit_exceeded", "invalid_prompt", "vector_store_timeout", "invalid_image"}


def sse(*events):
    """One stream; an event with a type is named after it, as Anthropic and OpenAI do."""
    name = lambda event: f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
    return "".join(f"{name(event)}data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events)


CHAT = {"id": "a", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 1}}
RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "ok", "annotations": []}]}], "usage": {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}}
CONTENT = {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "ok"}]}, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4}}
OLLAMA = {"model": "m", "created_at": "2026-11-01T00:00:00Z", "message": {"role": "assistant", "content": "ok"}, "done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 1}


class Provider:
    """Answers every call with what was set last and keeps what came."""

    def __init__(self):
        self.answer, self.bodies = None, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.bodies.append(body)
                answer = outer.answer or outer.usual(self.path)
                kind = "text/event-stream" if isinstance(answer, str) else "application/json"
                data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def usual(path):
        for ending, answer in (("/messages", MESSAGE), ("/responses", RESPONSE), ("/api/chat", OLLAMA), ("Content", CONTENT)):
            if ending in path:
                return answer
        return CHAT


class Gateway:
    """The binary in front of the scripted provider, and a client's calls to it."""

    def __init__(self, binary, provider):
        address = f"http://127.0.0.1:{provider.server.server_address[1]}"
        custom = lambda npm: {"npm": npm, "options": {"baseURL": address + ("" if npm == "ollama" else "/v1"), "apiKey": "sk-ab.cd"}, "models": {"m": {}, "deepseek-r1": {}}}
        self.provider, self.port = provider, loopback.any_port()
        self.process = loopback.start(binary, self.port, {"provider": {name: custom(npm) for name, npm in PACKAGES.items()}})

    def ask(self, path, body, answer=None):
        """Returns status, the header of what was dropped, the answer, and the body that reached the provider."""
        self.provider.answer, self.provider.bodies = answer, []
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request("POST", path, json.dumps(body), {"content-type": "application/json", "authorization": f"Bearer {loopback.TOKEN}", "anthropic-version": "2023-06-01"})
            reply = connection.getresponse()
            text = reply.read().decode()
            said = text if "event-stream" in (reply.headers["content-type"] or "") else json.loads(text)
            came = self.provider.bodies[-1] if self.provider.bodies else None
            return reply.status, reply.headers.get("x-switchyard-dropped", ""), said, came

    def to(self, client, provider, body, answer=None):
        limit = {"max_tokens": 64} if client == "messages" else {}
        return self.ask(PATHS[client], {"model": f"{provider}/m", **limit, **body}, answer)


def events_of(stream):
    return [json.loads(line[5:]) for line in stream.splitlines() if line.startswith("data:") and "[DONE]" not in line]


def history(check, gateway):
    """A message between a call and its output, as Codex sends it."""
    items = [
        {"role": "user", "content": "go"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"role": "developer", "content": [{"type": "input_text", "text": "note"}]},
        {"type": "function_call_output", "call_id": "c1", "output": "done"},
        {"role": "user", "content": "and?"},
    ]
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}]
    for provider in ("chat", "zai", "ollama"):
        _, _, _, came = gateway.to("responses", provider, {"input": items, "tools": tools})
        roles = [message["role"] for message in came["messages"]]
        called = next(at for at, message in enumerate(came["messages"]) if message.get("tool_calls"))
        check(f"a result follows its call at {provider}", roles[called + 1] == "tool", roles)
    _, _, _, came = gateway.to("responses", "messages", {"input": items, "tools": tools})
    check("and at a messages provider", came["messages"][2]["content"][0]["type"] == "tool_result", [message["role"] for message in came["messages"]])


def prompts(check, gateway):
    """What is left out of prompts, and what is not made up."""
    body = {"system": [{"type": "text", "text": BILLING}, {"type": "text", "text": "You are"}], "messages": [{"role": "user", "content": "hi"}]}
    for provider in ("chat", "responses", "gemini", "messages"):
        _, dropped, _, came = gateway.to("messages", provider, body)
        text = json.dumps(came)
        check(f"the billing line stays out of {provider}, reported", "cch=" not in text and "You are" in text and "billing" in dropped, dropped)

    said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": ""}, {"role": "user", "content": "  "}, {"role": "user", "content": "there"}]
    for provider in ("messages", "gemini", "responses"):
        _, dropped, _, came = gateway.to("chat", provider, {"messages": said})
        check(f"empty messages stay out of {provider}, reported", "messages[1]" in dropped and "messages[2]" in dropped, dropped)
    status, _, said, _ = gateway.to("chat", "messages", {"messages": [{"role": "user", "content": ""}]})
    check("a conversation that says nothing is refused, with no invented prompt", status == 400 and "messages" in said["error"]["message"], said)

    _, dropped, _, came = gateway.to("chat", "messages", {"messages": [{"role": "system", "content": "Tell a joke"}]})
    check("instructions alone are the user's at a messages provider", came["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Tell a joke"}]}], came["messages"])
    _, _, _, came = gateway.to("chat", "responses", {"messages": [{"role": "system", "content": "Tell a joke"}]})
    check("and are the input of a responses provider", len(came["input"]) == 1 and "Tell a joke" in json.dumps(came["input"]), came.get("input"))
    _, dropped, _, came = gateway.to("chat", "messages", {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "It is \n"}]})
    check("an answer's beginning ends without white space", came["messages"][-1]["content"][-1]["text"] == "It is", came["messages"][-1])


def fields(check, gateway):
    """Numbers and marks that do not fit as they are."""
    hi = [{"role": "user", "content": "hi"}]
    _, dropped, _, came = gateway.to("chat", "zai", {"messages": hi, "max_tokens": 10, "max_completion_tokens": 20})
    check("of two limits the newer stands and the other is named", came["max_tokens"] == 20 and "max_tokens" in dropped, dropped)
    _, dropped, _, came = gateway.to("chat", "responses", {"messages": hi, "max_tokens": 3})
    check("a raised limit is told as raised", came["max_output_tokens"] == 16 and "max_output_tokens;raised=16" in dropped, dropped)
    _, dropped, _, came = gateway.to("chat", "messages", {"messages": hi, "temperature": 1.7})
    check("a clamped number is told as clamped", came["temperature"] == 1.0 and "temperature;clamped=1" in dropped, dropped)
    marked = [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}]
    _, dropped, _, came = gateway.to("chat", "messages", {"messages": marked})
    carried = '"ttl": "1h"' in json.dumps(came)
    check("an hour of caching is carried or named", carried or "cache_control.ttl" in dropped, dropped)
    sound = [{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}]
    _, dropped, _, came = gateway.to("chat", "responses", {"messages": sound})
    check("sound, which the responses API does not take, is named", "input_audio" not in json.dumps(came) and "messages[0]" in dropped, dropped)
    thoughts = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [{"type": "thinking", "thinking": "one", "signature": ""}, {"type": "thinking", "thinking": "two", "signature": ""}, {"type": "text", "text": "a"}]}, {"role": "user", "content": "on"}]
    _, _, _, came = gateway.to("messages", "chat", {"messages": thoughts})
    check("pieces of reasoning are set apart", came["messages"][1].get("reasoning_content") == "one\n\ntwo", came["messages"][1])


def ends(check, gateway):
    """Why an answer ended, inside the enum of each SDK."""
    hi = {"messages": [{"role": "user", "content": "hi"}]}
    for word in ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "BRAND_NEW"):
        answer = {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "x"}]}, "finishReason": word}]}
        _, _, said, _ = gateway.to("chat", "gemini", hi, answer)
        chat = said["choices"][0]["finish_reason"]
        _, _, said, _ = gateway.to("messages", "gemini", hi, answer)
        messages = said["stop_reason"]
        _, _, said, _ = gateway.to("responses", "gemini", {"input": "hi"}, answer)
        reason = (said["incomplete_details"] or {}).get("reason")
        known = chat in FINISH_WORDS["chat"] and messages in FINISH_WORDS["messages"] and reason in (None, "max_output_tokens", "content_filter")
        check(f"{word} is a word of each SDK", known, (chat, messages, said["status"], reason))

    refusal = {**MESSAGE, "content": [], "stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "cyber", "explanation": "That would harm."}}
    _, _, said, _ = gateway.to("chat", "messages", hi, refusal)
    check("a refusal's explanation reaches chat", said["choices"][0]["message"]["refusal"] == "That would harm.", said["choices"][0])
    _, _, said, _ = gateway.to("responses", "messages", {"input": "hi"}, refusal)
    check("and responses", "That would harm." in json.dumps(said["output"]), said["output"])


def choices(check, gateway):
    """Several answers and the likelihood of tokens, from one vendor's form into another's."""
    hi = {"messages": [{"role": "user", "content": "hi"}], "n": 2, "logprobs": True, "top_logprobs": 1}
    told = {"chosenCandidates": [{"token": "a", "logProbability": -0.5}], "topCandidates": [{"candidates": [{"token": "b", "logProbability": -1.5}]}]}
    answer = {"candidates": [{"index": at, "content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "logprobsResult": told} for at, text in enumerate(("one", "two"))]}
    _, dropped, said, came = gateway.to("chat", "gemini", hi, answer)
    config = came["generationConfig"]
    check("several answers are asked for at a gemini provider", (config.get("candidateCount"), config.get("responseLogprobs"), config.get("logprobs")) == (2, True, 1), config)
    check("and all of them come back", [choice["message"]["content"] for choice in said["choices"]] == ["one", "two"], said["choices"])
    token = said["choices"][1]["logprobs"]["content"][0]
    check("with the likelihood of their tokens", (token["token"], token["logprob"], token["top_logprobs"][0]["token"]) == ("a", -0.5, "b"), token)
    _, dropped, _, came = gateway.to("chat", "responses", hi)
    check("a responses provider is asked for likelihoods, and n is named", came.get("top_logprobs") == 1 and "message.output_text.logprobs" in came.get("include", []) and "n" in dropped.split(", "), (came, dropped))
    _, dropped, _, _ = gateway.to("chat", "messages", hi)
    check("a messages provider knows neither: both are named", {"n", "logprobs"} <= set(dropped.split(", ")), dropped)
    _, dropped, _, came = gateway.to("responses", "messages", {"input": "hi", "service_tier": "flex"})
    check("a tier that the provider does not have is named", "service_tier" in dropped and "service_tier" not in came, dropped)
    _, _, _, came = gateway.to("chat", "responses", {"messages": hi["messages"], "service_tier": "flex"})
    check("and one that it has is carried", came.get("service_tier") == "flex", came)
    settings = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]}
    _, dropped, _, _ = gateway.ask("/v1beta/models/chat%2Fm:generateContent", settings)
    check("safety settings are named where they have no counterpart", "safetySettings" in dropped, dropped)
    _, dropped, _, came = gateway.ask("/v1beta/models/gemini%2Fm:generateContent", settings)
    check("and carried between Gemini's faces", came["safetySettings"] == settings["safetySettings"] and not dropped, came)


def streams(check, gateway):
    """Streams: counts that shrink, errors in the middle, refusals, reasoning between tags."""
    hi = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    start = {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": {"input_tokens": 50, "output_tokens": 9}}}
    text = [{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}, {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ok"}}, {"type": "content_block_stop", "index": 0}]
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"input_tokens": 40, "output_tokens": 4}}
    _, _, said, _ = gateway.to("chat", "messages", {**hi, "stream_options": {"include_usage": True}}, sse(start, *text, end, {"type": "message_stop"}))
    usage = events_of(said)[-1]["usage"]
    check("later counts replace earlier ones, also smaller", (usage["prompt_tokens"], usage["completion_tokens"]) == (40, 4), usage)

    refused = {"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_sequence": None, "stop_details": {"type": "refusal", "category": None, "explanation": "That would harm."}}, "usage": {"output_tokens": 4}}
    _, _, said, _ = gateway.to("chat", "messages", hi, sse(start, refused, {"type": "message_stop"}))
    refusals = "".join(event["choices"][0]["delta"].get("refusal") or "" for event in events_of(said) if event["choices"])
    check("a streamed refusal's explanation reaches chat", refusals == "That would harm.", said[-400:])

    failed = sse(start, *text, {"type": "error", "error": {"type": "overloaded_error", "message": "Too many"}})
    _, _, said, _ = gateway.to("responses", "messages", {"input": "hi", "stream": True}, failed)
    error = next(event["response"]["error"] for event in events_of(said) if event["type"] == "response.failed")
    check("the code of a failed response is OpenAI's, the provider's word in the message", error["code"] in RESPONSE_CODES and "overloaded" in error["message"].lower(), error)

    pieces = ["<th", "ink>\nsure", "ly</", "think", ">\n\nYes", "."]
    chunks = [{"id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]} for piece in pieces]
    last = {**chunks[0], "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    body = {"model": "chat/deepseek-r1", "max_tokens": 64, **hi}
    _, _, said, _ = gateway.ask(PATHS["messages"], body, sse(*chunks, last, "[DONE]"))
    deltas = [event["delta"] for event in events_of(said) if event["type"] == "content_block_delta"]
    thought = "".join(delta.get("thinking", "") for delta in deltas)
    spoken = "".join(delta.get("text", "") for delta in deltas)
    check("reasoning between tags becomes reasoning, in streams", (thought, spoken) == ("surely", "Yes."), (thought, spoken))
    whole = {**CHAT, "choices": [{"index": 0, "message": {"role": "assistant", "content": "<think>surely</think>Yes."}, "finish_reason": "stop"}]}
    _, _, said, _ = gateway.ask(PATHS["messages"], {**body, "stream": False}, whole)
    check("and in whole answers", [block.get("thinking") or block.get("text") for block in said["content"]] == ["surely", "Yes."], said["content"])


def gemini_counts(check, gateway):
    answer = {**MESSAGE, "usage": {"input_tokens": 3, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 0, "output_tokens": 1}}
    _, _, said, _ = gateway.ask("/v1beta/models/messages%2Fm:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}, answer)
    known = {"promptTokenCount", "candidatesTokenCount", "totalTokenCount", "cachedContentTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount"}
    check("token counts on the Gemini face are Google's fields", set(said["usageMetadata"]) <= known and said["usageMetadata"]["promptTokenCount"] == 10, said["usageMetadata"])


def run(check, binary):
    provider = Provider()
    gateway = Gateway(binary, provider)
    try:
        for part in (history, prompts, fields, ends, choices, streams, gemini_counts):
            part(check, gateway)
    finally:
        loopback.stop(gateway.process)
        provider.server.shutdown()
