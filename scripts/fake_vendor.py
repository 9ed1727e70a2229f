"""A provider on loopback that speaks four protocols, refuses what the vendors refuse, and keeps what arrives.

A test says in `plan` how the next answer calls tools; without a plan the answer is a short text. The rules are those of the vendors'
own error messages: names of tools, choices at the root of a schema, bounds in enforced schemas, calls without results.
"""
import http.server, json, re, threading

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
LETTER_FIRST = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
CHOICES = ("anyOf", "oneOf", "allOf")
BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems", "uniqueItems", "oneOf", "not")
SUBSET = {"type", "format", "title", "description", "nullable", "enum", "items", "maxItems", "minItems", "properties", "required", "minProperties", "maxProperties",
          "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering", "default", "minimum", "maximum"}


class Refused(Exception):
    """What the vendor answers 400 for."""


def refuse(condition, why):
    if condition:
        raise Refused(why)


def schemas(schema):
    """Yields a schema and every schema inside it."""
    if not isinstance(schema, dict):
        return
    yield schema
    for key in ("items", "additionalProperties", "not"):
        yield from schemas(schema.get(key))
    for key in (*CHOICES, "prefixItems"):
        for inner in schema.get(key) or []:
            yield from schemas(inner)
    for key in ("properties", "$defs", "definitions"):
        for inner in (schema.get(key) or {}).values():
            yield from schemas(inner)


def check_names(names, form, where):
    refuse(len(names) != len(set(names)), f"{where}: tool names must be unique")
    for name in names:
        refuse(not form.fullmatch(name), f"{where}: {name!r} does not match {form.pattern}")


def check_root(schema, where):
    refuse(not isinstance(schema, dict) or schema.get("type") != "object", f"{where}: the schema must have the type object")
    for key in CHOICES:
        refuse(key in schema, f"{where}: {key} is not supported at the top level")


def check_enforced(schema, where):
    for inner in schemas(schema):
        for key in BOUNDS:
            refuse(key in inner, f"{where}: the keyword {key} is not supported")
        is_object = inner.get("type") == "object"
        refuse(is_object and inner.get("additionalProperties") is not False, f"{where}: additionalProperties must be false")


def check_pairs(turns, where):
    """Each turn is (ids of calls, ids of results): results stand in the turn behind their calls."""
    waiting, seen = [], set()
    for calls, results in turns:
        refuse(sorted(results) != sorted(waiting), f"{where}: calls {waiting} are followed by results of {results}")
        refuse(seen & set(calls) or len(calls) != len(set(calls)), f"{where}: the id of a call is used twice: {calls}")
        seen |= set(calls)
        waiting = calls
    refuse(waiting, f"{where}: calls without results: {waiting}")


def messages_rules(body):
    functions = [tool for tool in body.get("tools", []) if "input_schema" in tool]
    check_names([tool["name"] for tool in body.get("tools", [])], NAME, "tools")
    for tool in functions:
        check_root(tool["input_schema"], tool["name"])
        if tool.get("strict"):
            check_enforced(tool["input_schema"], tool["name"])
    form = (body.get("output_config") or {}).get("format")
    if form:
        check_enforced(form["schema"], "output_config")
    choice = body.get("tool_choice") or {}
    refuse(choice.get("type") == "tool" and choice["name"] not in [tool["name"] for tool in body["tools"]], "tool_choice names no tool")
    turns = []
    for message in body["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        calls = [block for block in blocks if block["type"] == "tool_use"]
        check_names(sorted({block["name"] for block in calls}), NAME, "messages")
        turns.append(([block["id"] for block in calls], [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]))
    check_pairs(turns, "messages")


def chat_rules(body):
    functions = [tool["function"] for tool in body.get("tools", [])]
    check_names([function["name"] for function in functions], NAME, "tools")
    for function in functions:
        check_root(function["parameters"], function["name"])
    choice = body.get("tool_choice")
    refuse(isinstance(choice, dict) and choice["function"]["name"] not in [function["name"] for function in functions], "tool_choice names no tool")
    turns = [([], [])]
    for message in body["messages"]:
        if message["role"] == "tool":
            turns[-1][1].append(message["tool_call_id"])
            continue
        calls = message.get("tool_calls") or []
        check_names(sorted({call["function"]["name"] for call in calls}), NAME, "messages")
        turns += [([call["id"] for call in calls], [])]
    # Results were gathered in the turn of their calls.
    shifted = [(calls, turns[at - 1][1] if at else []) for at, (calls, _) in enumerate(turns)] + [([], turns[-1][1])]
    check_pairs(shifted, "messages")


def responses_rules(body):
    functions = [tool for tool in body.get("tools", []) if tool["type"] in ("function", "custom")]
    check_names([tool["name"] for tool in functions], NAME, "tools")
    for tool in functions:
        if tool["type"] == "function":
            check_root(tool["parameters"], tool["name"])
    calls = {}
    for item in body["input"] if isinstance(body["input"], list) else []:
        if item["type"] in ("function_call", "custom_tool_call"):
            check_names([item["name"]], NAME, "input")
            calls[item["call_id"]] = item["type"]
        if item["type"] in ("function_call_output", "custom_tool_call_output"):
            refuse(calls.get(item["call_id"]) != item["type"].removesuffix("_output"), f"no tool call found for {item['type']} {item['call_id']}")


def gemini_rules(body):
    sets = body.get("tools", [])
    functions = [function for tools in sets for function in tools.get("functionDeclarations", [])]
    check_names([function["name"] for function in functions], LETTER_FIRST, "tools")
    for function in functions:
        refuse("parameters" in function and "parametersJsonSchema" in function, "only one of parameters and parametersJsonSchema")
        if "parametersJsonSchema" in function:
            check_root(function["parametersJsonSchema"], function["name"])
        for inner in schemas(function.get("parameters")):
            refuse(set(inner) - SUBSET, f"{function['name']}: unknown name {sorted(set(inner) - SUBSET)}")
    config = body.get("generationConfig") or {}
    refuse(config.get("responseSchema") == {}, "responseSchema must not be empty")
    allowed = ((body.get("toolConfig") or {}).get("functionCallingConfig") or {}).get("allowedFunctionNames", [])
    refuse(set(allowed) - {function["name"] for function in functions}, f"allowedFunctionNames: {allowed}")
    waiting = 0
    for content in body["contents"]:
        calls = [part["functionCall"]["name"] for part in content["parts"] if "functionCall" in part]
        results = [part for part in content["parts"] if "functionResponse" in part]
        check_names(sorted(set(calls)), LETTER_FIRST, "contents")
        refuse(len(results) != waiting, f"{waiting} function calls are followed by {len(results)} function responses")
        waiting = len(calls)


RULES = {"messages": messages_rules, "chat": chat_rules, "responses": responses_rules, "gemini": gemini_rules}
KINDS = {"messages": "anthropic", "chat": "openai-compatible", "responses": "openai", "gemini": "google"}
MODELS = {"messages": "claude-sonnet-4-5", "chat": "open-model", "responses": "gpt-5", "gemini": "gemini-3-pro"}


def protocol_of(path):
    return "messages" if path.endswith("/messages") else "responses" if path.endswith("/responses") else "chat" if path.endswith("/chat/completions") else "gemini"


def event(data, name=None):
    return (f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n"


def answer_messages(calls):
    blocks = [{"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": {"input": "x"}} for at, name in enumerate(calls)] or [{"type": "text", "text": "done"}]
    usage, stop = {"input_tokens": 3, "output_tokens": 2}, "tool_use" if calls else "end_turn"
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None, "usage": usage}
    stream = event({"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}, "message_start")
    for at, block in enumerate(blocks):
        begin = {**block, "input": {}} if "input" in block else {**block, "text": ""}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])} if "input" in block else {"type": "text_delta", "text": block["text"]}
        stream += event({"type": "content_block_start", "index": at, "content_block": begin}, "content_block_start")
        stream += event({"type": "content_block_delta", "index": at, "delta": delta}, "content_block_delta") + event({"type": "content_block_stop", "index": at}, "content_block_stop")
    stream += event({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": usage}, "message_delta") + event({"type": "message_stop"}, "message_stop")
    return {**message, "content": blocks, "stop_reason": stop}, stream


def answer_chat(calls):
    tools = [{"id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": '{"input":"x"}'}} for at, name in enumerate(calls)]
    message = {"role": "assistant", "content": None if calls else "done", **({"tool_calls": tools} if calls else {})}
    finish, head = "tool_calls" if calls else "stop", {"id": "c1", "created": 1, "model": "m"}
    whole = {**head, "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}
    delta = {**message, **({"tool_calls": [{"index": at, **call} for at, call in enumerate(tools)]} if calls else {})}
    chunks = [{"index": 0, "delta": delta, "finish_reason": None}, {"index": 0, "delta": {}, "finish_reason": finish}]
    return whole, "".join(event({**head, "object": "chat.completion.chunk", "choices": [chunk]}) for chunk in chunks) + "data: [DONE]\n\n"


def answer_responses(calls):
    output = [{"id": f"fc_{at}", "type": "function_call", "call_id": f"call_{at}", "name": name, "arguments": '{"input":"x"}', "status": "completed"} for at, name in enumerate(calls)]
    output = output or [{"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "done", "annotations": []}]}]
    whole = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "output": output, "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}}
    stream = event({"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}}, "response.created")
    for at, item in enumerate(output):
        stream += event({"type": "response.output_item.added", "output_index": at, "item": {**item, **({"arguments": ""} if "arguments" in item else {"content": []})}}, "response.output_item.added")
        stream += event({"type": "response.output_item.done", "output_index": at, "item": item}, "response.output_item.done")
    return whole, stream + event({"type": "response.completed", "response": whole}, "response.completed")


def answer_gemini(calls):
    parts = [{"functionCall": {"name": name, "args": {"input": "x"}}} for name in calls] or [{"text": "done"}]
    whole = {"candidates": [{"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}, "modelVersion": "m"}
    return whole, event(whole)


ANSWERS = {"messages": answer_messages, "chat": answer_chat, "responses": answer_responses, "gemini": answer_gemini}


class Vendor:
    """The server. `body` is what arrived last, `refusal` why it was refused; `plan` makes the tools that an answer calls from it."""

    def __init__(self):
        self.body = self.refusal = self.plan = None
        vendor = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status, kind, data = vendor.answer(self.path, body)
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path, body):
        path = path.split("?")[0]
        protocol = protocol_of(path)
        self.body, self.refusal = body, None
        try:
            RULES[protocol](body)
        except (Refused, KeyError, TypeError) as why:
            self.refusal = f"{type(why).__name__}: {why}"
            return 400, "application/json", json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": self.refusal, "code": 400, "status": "INVALID_ARGUMENT"}}).encode()
        whole, stream = ANSWERS[protocol](self.plan(protocol, body) if self.plan else [])
        if body.get("stream") or "streamGenerateContent" in path:
            return 200, "text/event-stream", stream.encode()
        return 200, "application/json", json.dumps(whole).encode()

    def providers(self):
        """The configuration of one provider for each protocol, named like it."""
        root = f"http://127.0.0.1:{self.server.server_address[1]}"
        return {f"fake-{protocol}": {"npm": f"@ai-sdk/{kind}", "options": {"baseURL": f"{root}/{'v1beta' if protocol == 'gemini' else 'v1'}", "apiKey": "k"},
                                     "models": {MODELS[protocol]: {"tool_call": True}}} for protocol, kind in KINDS.items()}

    def model(self, protocol):
        return f"fake-{protocol}/{MODELS[protocol]}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def names(protocol, body):
    """The names of the functions that a request offers."""
    tools = body.get("tools") or []
    if protocol == "gemini":
        return [function["name"] for tools in tools for function in tools.get("functionDeclarations", [])]
    return [tool["function"]["name"] if protocol == "chat" else tool["name"] for tool in tools if protocol != "messages" or "input_schema" in tool]


def parameters(protocol, body, at=0):
    """The schema of a function that a request offers."""
    if protocol == "gemini":
        function = [function for tools in body["tools"] for function in tools.get("functionDeclarations", [])][at]
        return function.get("parameters") or function.get("parametersJsonSchema") or {}
    tool = body["tools"][at]
    return tool["function"]["parameters"] if protocol == "chat" else tool["input_schema" if protocol == "messages" else "parameters"]
