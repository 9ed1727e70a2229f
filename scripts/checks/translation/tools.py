"""Tools on their way between protocols: names, schemas, namespaces, choices, results, and what comes back."""
import http.client, itertools, json, pathlib, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
import fake_vendor, loopback

CLIENTS = ["chat", "responses", "messages", "gemini"]
LONG = "mcp__a_server_with_a_long_name__and_a_tool_with_a_name_that_is_longer_still_"
NAMES = ["files.read", "files:read", "files_read", "a b/c", "9lives", "werkzeug_für_größe", LONG + "1", LONG + "2"]
PLAIN = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
A = {"type": "object", "title": "By path", "properties": {"kind": {"const": "path"}, "path": {"type": "string"}}, "required": ["kind", "path"]}
B = {"type": "object", "properties": {"kind": {"const": "id"}, "id": {"type": "integer"}}, "required": ["kind", "id"]}
ROOTS = {
    "anyOf": {"anyOf": [A, B]},
    "oneOf beside properties": {"type": "object", "properties": {"deep": {"type": "boolean"}}, "required": ["deep"], "oneOf": [A, B]},
    "allOf": {"allOf": [{"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}, {"properties": {"id": {"type": "integer"}}, "required": ["id"]}]},
    "references": {"$defs": {"A": A, "B": B}, "anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]},
    "required alone": {"type": "object", "properties": {"path": {"type": "string"}, "id": {"type": "integer"}}, "anyOf": [{"required": ["path"]}, {"required": ["id"]}]},
}
SEARCHES = {"responses": {"type": "web_search", "filters": {"allowed_domains": ["a.test"]}}, "messages": {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}, "gemini": {"googleSearch": {}}}


def request(client, model, tools, rounds=(), choice=None, more=None):
    """A request: tools are (name, schema), rounds are (id, name) of earlier calls, the choice is a name."""
    if client == "chat":
        messages = [{"role": "user", "content": "hi"}]
        for ident, name in rounds:
            messages += [{"role": "assistant", "content": None, "tool_calls": [{"id": ident, "type": "function", "function": {"name": name, "arguments": "{}"}}]}, {"role": "tool", "tool_call_id": ident, "content": "ok"}]
        body = {"model": model, "messages": messages, "tools": [{"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in tools]}
        body.update({"tool_choice": {"type": "function", "function": {"name": choice}}} if choice else {})
    elif client == "responses":
        items = [{"role": "user", "content": "hi"}]
        for ident, name in rounds:
            items += [{"type": "function_call", "call_id": ident, "name": name, "arguments": "{}"}, {"type": "function_call_output", "call_id": ident, "output": "ok"}]
        body = {"model": model, "input": items, "tools": [{"type": "function", "name": name, "parameters": schema} for name, schema in tools]}
        body.update({"tool_choice": {"type": "function", "name": choice}} if choice else {})
    elif client == "messages":
        messages = [{"role": "user", "content": "hi"}]
        for ident, name in rounds:
            messages += [{"role": "assistant", "content": [{"type": "tool_use", "id": ident, "name": name, "input": {}}]}, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": ident, "content": "ok"}]}]
        body = {"model": model, "max_tokens": 99, "messages": messages, "tools": [{"name": name, "input_schema": schema} for name, schema in tools]}
        body.update({"tool_choice": {"type": "tool", "name": choice}} if choice else {})
    else:
        contents = [{"role": "user", "parts": [{"text": "hi"}]}]
        for _, name in rounds:
            contents += [{"role": "model", "parts": [{"functionCall": {"name": name, "args": {}}}]}, {"role": "user", "parts": [{"functionResponse": {"name": name, "response": {"result": "ok"}}}]}]
        body = {"contents": contents, "tools": [{"functionDeclarations": [{"name": name, "parametersJsonSchema": schema} for name, schema in tools]}]}
        body.update({"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [choice]}}} if choice else {})
    return {**body, **(more or {})}


def ask(port, client, model, body, stream=False):
    """Returns the status, the answer (a list of events for a stream) and what was reported as left out."""
    front = next(front for front in loopback.FRONTS if front.name == client)
    body = {**body, "stream": True} if stream and client != "gemini" else body
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", front.path(model.replace("/", "%2F"), stream), json.dumps(body), {"content-type": "application/json", "authorization": f"Bearer {loopback.TOKEN}"})
    response = connection.getresponse()
    is_stream = stream and response.status == 200
    read = list(front.events(response)) if is_stream else json.loads(response.read())
    reported = response.headers.get("x-switchyard-dropped") or ""
    connection.close()
    return response.status, read, reported


def called(client, answer):
    """The names of the tools that an answer calls, whole or as events."""
    if isinstance(answer, dict):
        if client == "chat":
            return [call["function"]["name"] for call in answer["choices"][0]["message"].get("tool_calls", [])]
        if client == "responses":
            return [item["name"] for item in answer["output"] if item["type"] == "function_call"]
        if client == "messages":
            return [block["name"] for block in answer["content"] if block["type"] == "tool_use"]
        return [part["functionCall"]["name"] for part in answer["candidates"][0]["content"]["parts"] if "functionCall" in part]
    events = [event for event in answer if event != loopback.DONE]
    if client == "chat":
        deltas = [call for event in events for choice in event.get("choices", []) for call in choice["delta"].get("tool_calls", [])]
        return [call["function"]["name"] for call in deltas if call.get("function", {}).get("name")]
    if client == "responses":
        return [item["item"]["name"] for item in events if item["type"] == "response.output_item.done" and item["item"]["type"] == "function_call"]
    if client == "messages":
        return [event["content_block"]["name"] for event in events if event["type"] == "content_block_start" and event["content_block"]["type"] == "tool_use"]
    return [part["functionCall"]["name"] for event in events for part in event["candidates"][0].get("content", {}).get("parts", []) if "functionCall" in part]


def run(check, binary):
    vendor = fake_vendor.Vendor()
    port = loopback.any_port()
    server = loopback.start(binary, port, {"retry": {"maxRetries": 0}, "provider": vendor.providers()})
    try:
        for topic in (names_, roots, namespaces, enforced, echoed, twice, nameless, pictures, formats, hosted, orphans, richer):
            vendor.plan = None
            topic(check, vendor, port)
    finally:
        loopback.stop(server)
        vendor.stop()


def crossings():
    """Pairs of which neither is relayed: a provider of the package that speaks Responses takes chat completions as they are, too."""
    return [(client, target) for client, target in itertools.product(CLIENTS, fake_vendor.RULES) if client != target and (client, target) != ("chat", "responses")]


def names_(check, vendor, port):
    """Every name arrives in a form that is taken and comes back as it was, in tools, history, choice, answers and streams."""
    vendor.plan = fake_vendor.names
    for client, target in crossings():
        model = vendor.model(target)
        body = request(client, model, [(name, PLAIN) for name in NAMES], [("c1", NAMES[0]), ("c2", "gone.tool"), ("c3", NAMES[6])], NAMES[4])
        for stream in (False, True):
            status, answer, _ = ask(port, client, model, body, stream)
            back = called(client, answer) if status == 200 else answer
            check(f"names {client} to {target}{' streamed' if stream else ''}", status == 200 and back == NAMES, vendor.refusal or back)


def roots(check, vendor, port):
    """A choice at the root becomes one object with the fields of all alternatives."""
    for (client, target), (kind, schema) in itertools.product(crossings(), ROOTS.items()):
        model = vendor.model(target)
        status, answer, reported = ask(port, client, model, request(client, model, [("find", schema)]))
        sent = fake_vendor.parameters(target, vendor.body) if status == 200 else {}
        fields, demanded = set(sent.get("properties") or {}), set(sent.get("required") or [])
        wanted = {"allOf": {"path", "id"}, "required alone": set(), "oneOf beside properties": {"deep", "kind"}}.get(kind, {"kind"})
        check(f"root {kind} {client} to {target}", status == 200 and {"path", "id"} <= fields and demanded == wanted, vendor.refusal or sent or answer)
        check(f"root {kind} {client} to {target} is reported", "parameters" in reported, reported)


def namespaces(check, vendor, port):
    """Two namespaces with a tool of one name: both are offered, history is each one's own, and calls come back with their namespace."""
    def group(name):
        return {"type": "namespace", "name": name, "description": "", "tools": [{"type": "function", "name": "search", "parameters": PLAIN}]}
    items = [{"role": "user", "content": "hi"}]
    for at, space in enumerate(["mcp__b__", "mcp__a__"]):
        items += [{"type": "function_call", "call_id": f"c{at}", "namespace": space, "name": "search", "arguments": "{}"}, {"type": "function_call_output", "call_id": f"c{at}", "output": "ok"}]
    vendor.plan = fake_vendor.names
    for target, stream in itertools.product(["chat", "messages", "gemini"], (False, True)):
        model = vendor.model(target)
        body = {"model": model, "input": items, "tools": [group("mcp__a__"), group("mcp__b__"), {"type": "function", "name": "other", "parameters": PLAIN}]}
        status, answer, _ = ask(port, "responses", model, body, stream)
        output = answer["output"] if isinstance(answer, dict) and status == 200 else next((event["response"]["output"] for event in answer if event["type"] == "response.completed"), []) if status == 200 else []
        back = [(item.get("namespace"), item["name"]) for item in output]
        check(f"namespaces to {target}{' streamed' if stream else ''}", back == [("mcp__a__", "search"), ("mcp__b__", "search"), (None, "other")], vendor.refusal or back or answer)
        text = json.dumps(vendor.body)
        check(f"namespaces to {target}: history", "mcp__b__search" in text and "mcp__a__search" in text, text)


def enforced(check, vendor, port):
    """Bounds in enforced schemas are told in words where the vendor refuses them."""
    schema = {"type": "object", "properties": {"count": {"type": "integer", "minimum": 1, "maximum": 9}, "name": {"type": "string", "minLength": 2, "maxLength": 40}, "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3}}, "required": ["count", "name", "tags"], "additionalProperties": False}
    model = vendor.model("messages")
    chat = {"model": model, "messages": [{"role": "user", "content": "hi"}], "tools": [{"type": "function", "function": {"name": "f", "strict": True, "parameters": schema}}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": schema}}}
    responses = {"model": model, "input": "hi", "tools": [{"type": "function", "name": "f", "strict": True, "parameters": schema}], "text": {"format": {"type": "json_schema", "name": "s", "strict": True, "schema": schema}}}
    for client, body in (("chat", chat), ("responses", responses)):
        status, answer, reported = ask(port, client, model, body)
        sent = json.dumps(vendor.body)
        check(f"enforced {client} to messages", status == 200 and vendor.body["tools"][0].get("strict") and sent.count("maximum: 9") == 2, vendor.refusal or sent)
        check(f"enforced {client} to messages is reported", "parameters" in reported and "output schema" in reported, reported)


def echoed(check, vendor, port):
    """The response object repeats tools with the fields that its type demands."""
    model = vendor.model("messages")
    _, answer, _ = ask(port, "responses", model, {"model": model, "input": "hi", "tools": [{"type": "function", "name": "f"}]})
    tool = (answer.get("tools") or [{}])[0]
    check("echoed tools have strict and parameters", {"strict", "parameters"} <= set(tool), answer)


def twice(check, vendor, port):
    """One id of a call, used for a function and a custom tool in different rounds."""
    items = [{"role": "user", "content": "hi"}, {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "x"}, {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"},
             {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}, {"type": "function_call_output", "call_id": "c", "output": "ok"}]
    tools = [{"type": "custom", "name": "patch"}, {"type": "function", "name": "f", "parameters": PLAIN}]
    for target in ("messages", "chat", "gemini"):
        model = vendor.model(target)
        status, answer, _ = ask(port, "responses", model, {"model": model, "input": items, "tools": tools})
        check(f"one id twice, responses to {target}", status == 200, vendor.refusal or answer)
    for client in ("messages", "gemini"):
        model = vendor.model("responses")
        status, answer, _ = ask(port, client, model, request(client, model, [("f", PLAIN)], [("c", "f"), ("c", "f")]))
        check(f"one id twice, {client} to responses", status == 200, vendor.refusal or answer)


def nameless(check, vendor, port):
    """A call without a name ends as an error, never as an answer that waits for a tool that it does not name."""
    vendor.plan = lambda protocol, body: [""]
    for (client, target), stream in itertools.product(crossings(), (False, True)):
        model = vendor.model(target)
        status, answer, _ = ask(port, client, model, request(client, model, [("f", PLAIN)]), stream)
        text = json.dumps(answer)
        check(f"nameless {target} to {client}{' streamed' if stream else ''}", "without" in text and "nam" in text and '"tool_use"' not in text and '"finish_reason": "tool_calls"' not in text, f"{status} {text}")


def pictures(check, vendor, port):
    """A picture in a result is carried, and then not named as left out."""
    body = request("messages", "", [("look", PLAIN)], [("c", "look")])
    body["messages"][2]["content"][0]["content"] = [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}, {"type": "text", "text": "seen"}]
    for target in ("gemini", "chat", "responses"):
        model = vendor.model(target)
        status, answer, reported = ask(port, "messages", model, {**body, "model": model})
        carried = PICTURE in json.dumps(vendor.body)
        check(f"picture in a result to {target}", status == 200 and carried != ("messages[" in reported.replace(";moved", "") and target == "gemini"), vendor.refusal or f"carried: {carried}, reported: {reported}")


def formats(check, vendor, port):
    """JSON without a schema asks for JSON alone."""
    model = vendor.model("gemini")
    for form in ({"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}):
        status, answer, _ = ask(port, "chat", model, {"model": model, "messages": [{"role": "user", "content": "hi"}], "response_format": form})
        config = vendor.body.get("generationConfig", {})
        check(f"{form['type']} without a schema to gemini", status == 200 and config.get("responseMimeType") == "application/json" and not {"responseSchema", "responseJsonSchema"} & set(config), vendor.refusal or config)


def hosted(check, vendor, port):
    """Web search becomes the target's own where it has one."""
    marks = {"messages": '"type": "web_search_', "gemini": '"googleSearch"', "responses": '"type": "web_search"'}
    for (client, search), (target, mark) in itertools.product(SEARCHES.items(), marks.items()):
        if client == target:
            continue
        model = vendor.model(target)
        body = request(client, model, [])
        body["tools"] = [search]
        status, answer, reported = ask(port, client, model, body)
        check(f"web search {client} to {target}", status == 200 and mark in json.dumps(vendor.body), vendor.refusal or vendor.body.get("tools") or answer)


def orphans(check, vendor, port):
    """A result without its call becomes words, a call without its result gets one; both are reported."""
    for client, target in crossings():
        if client == "gemini":
            continue
        model = vendor.model(target)
        body = request(client, model, [("f", PLAIN)], [("c1", "f"), ("c2", "f")])
        turns = body["input" if client == "responses" else "messages"]
        # The call of the first round and the result of the second are lost.
        del turns[1], turns[-1]
        turns.append({"role": "user", "content": "go on"})
        status, answer, reported = ask(port, client, model, body)
        check(f"orphans {client} to {target}", status == 200 and "messages[" in reported, vendor.refusal or f"{reported} {answer}")


def richer(check, vendor, port):
    """A schema that says more than Gemini's subset goes to it as JSON Schema; others keep the subset."""
    node = {"type": "object", "properties": {"value": {"type": "integer", "enum": [1, 2]}, "next": {"$ref": "#/$defs/node"}}}
    schema = {"type": "object", "properties": {"root": {"$ref": "#/$defs/node"}, "labels": {"type": "object", "additionalProperties": {"type": "string"}}}, "$defs": {"node": node}}
    model = vendor.model("gemini")
    for client in ("chat", "responses", "messages"):
        status, answer, _ = ask(port, client, model, request(client, model, [("tree", schema), ("plain", PLAIN)]))
        rich, plain = vendor.body["tools"][0]["functionDeclarations"]
        check(f"rich schema {client} to gemini", status == 200 and rich.get("parametersJsonSchema", {}).get("$defs") and "parameters" in plain, vendor.refusal or rich)
