use super::*;

fn parse(body: &str) -> Request {
    Request::parse(body.as_bytes().to_vec(), "acme", "").unwrap()
}

fn exact(request: &Request) -> u128 {
    let key = FingerprintKey::new([7; 16]);
    key.exact(key.scope(request), request)
}

fn user(text: &str) -> String {
    serde_json::json!({"messages": [{"role": "user", "content": text}]}).to_string()
}

#[test]
fn requests_that_differ_in_form_only_share_a_fingerprint() {
    let plain = parse(&user("Where is my order?"));
    let spaced = parse(
        r#"{"temperature": 1.0, "stream": true, "n": 1, "user": "u1", "tools": [], "top_p": null, "model": "auto",
            "messages": [{"content": [{"type": "text", "cache_control": {"type": "ephemeral"}, "text": " Where is\nmy order? "}], "role": "user"}]}"#,
    );

    assert_eq!(exact(&plain), exact(&spaced));
    assert_eq!(plain.hash(1), spaced.hash(1));
}

#[test]
fn everything_that_may_change_the_answer_changes_the_fingerprint() {
    let base = exact(&parse(&user("hi")));
    for body in [
        user("Hi"),
        user("hi there"),
        r#"{"messages":[{"role":"system","content":"x"},{"role":"user","content":"hi"}]}"#.to_owned(),
        r#"{"messages":[{"role":"user","content":"hi"}],"temperature":0}"#.to_owned(),
        r#"{"messages":[{"role":"user","content":"hi"}],"model":"gpt-4o"}"#.to_owned(),
        r#"{"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function"}]}"#.to_owned(),
        r#"{"messages":[{"role":"user","content":"hi"}],"response_format":{"type":"json_object"}}"#.to_owned(),
        r#"{"messages":[{"role":"user","content":"hi"}],"some_new_field":true}"#.to_owned(),
        r#"{"messages":[{"role":"user","content":"hi"}],"text":{"verbosity":"low"}}"#.to_owned(),
        r#"{"messages":[{"role":"user","content":"hi","name":"bob"}]}"#.to_owned(),
        r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":""}]}"#.to_owned(),
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hi","lang":"fr"}]}]}"#.to_owned(),
        r#"{"messages":[{"role":"user","content":"hi"}],"response_format":{"type":"text","grammar":"x"}}"#.to_owned(),
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url","image_url":{"url":"u"}}]}]}"#.to_owned(),
    ] {
        assert_ne!(base, exact(&parse(&body)), "{body}");
    }
}

#[test]
fn text_cannot_move_between_turns() {
    let one = r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b c"},{"role":"user","content":"d"}]}"#;
    let two = r#"{"messages":[{"role":"user","content":"a b"},{"role":"assistant","content":"c"},{"role":"user","content":"d"}]}"#;

    assert_ne!(exact(&parse(one)), exact(&parse(two)));
}

#[test]
fn another_tenant_namespace_or_key_is_another_fingerprint() {
    let body = user("hi").into_bytes();
    let key = FingerprintKey::new([7; 16]);
    let scope = |tenant, namespace| key.scope(&Request::parse(body.clone(), tenant, namespace).unwrap());

    assert_ne!(scope("a", "b"), scope("b", "a"));
    assert_ne!(scope("ab", ""), scope("a", "b"));
    let request = parse(&user("hi"));
    assert_ne!(key.scope(&request), FingerprintKey::new([8; 16]).scope(&request));
}

#[test]
fn only_a_last_user_turn_with_text_may_be_compared_by_meaning() {
    assert!(parse(&user("hi")).has_text_turn());
    assert!(!parse(&user("  ")).has_text_turn());
    let tool = r#"{"messages":[{"role":"user","content":"hi"},{"role":"tool","content":"42","tool_call_id":"c"}]}"#;
    assert!(!parse(tool).has_text_turn());
    assert!(!parse(r#"{"messages":[{"role":"system","content":"hi"}]}"#).has_text_turn());
}

#[test]
fn the_shape_knows_roles_calls_and_sampling() {
    let request = parse(
        r#"{"messages":[{"role":"developer","content":[{"type":"text","text":"café"}]},{"role":"system","content":"ab"},
            {"role":"user","content":"first\n\n- turn"},
            {"role":"assistant","content":null,"tool_calls":[{},{}]},{"role":"tool","content":"42","tool_call_id":"c"},
            {"role":"user","content":[{"type":"input_audio"},{"type":"file"},{"type":"text","text":"1. one\n2. two"}]}],
            "stream":true,"temperature":0.25,"top_p":0.5,"n":3,"max_tokens":null,"max_completion_tokens":9}"#,
    );

    let expected = Shape {
        turns: 6,
        user_turns: 2,
        assistant_turns: 1,
        tool_turns: 1,
        system_chars: 6,
        tool_calls: 2,
        media: 2,
        audio: 1,
        is_stream: true,
        max_output_tokens: Some(9),
        temperature: Some(0.25),
        top_p: Some(0.5),
        samples: Some(3),
        ..Shape::default()
    };
    assert_eq!(request.shape(), expected);
    assert_eq!(request.layout(), Layout { lines: 2, paragraphs: 1, list_items: 2, ..Layout::default() });
}

#[test]
fn the_shape_counts_tools_turns_and_media() {
    let request = parse(
        r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"image_url"},{"type":"text","text":"t"}]}],
            "tools":[{},{}],"response_format":{"type":"json_schema"},"max_tokens":64}"#,
    );

    let expected = Shape {
        turns: 2,
        user_turns: 1,
        system_chars: 1,
        tools: 2,
        media: 1,
        images: 1,
        wants_json: true,
        max_output_tokens: Some(64),
        ..Shape::default()
    };
    assert_eq!(request.shape(), expected);
    assert_eq!(request.layout(), Layout { lines: 1, paragraphs: 1, ..Layout::default() });
}

#[test]
fn the_smaller_of_two_output_limits_binds_and_null_binds_nothing() {
    for (limits, expected) in [
        (r#""max_completion_tokens": 64, "max_tokens": null"#, Some(64)),
        (r#""max_completion_tokens": 64, "max_tokens": 32"#, Some(32)),
        (r#""max_tokens": "all""#, None),
    ] {
        let request = parse(&format!(r#"{{"messages":[{{"role":"user","content":"x"}}], {limits}}}"#));
        assert_eq!(request.shape().max_output_tokens, expected, "{limits}");
    }
}

#[test]
fn a_bad_body_is_an_error_that_names_the_place_and_not_the_text() {
    for (body, place) in [
        ("secret", "line 1, column 1"),
        ("[]", "not an object"),
        ("{}", "no `messages`"),
        (r#"{"messages":[]}"#, "at least one message"),
        (r#"{"messages":["secret"]}"#, "messages[0]"),
        (r#"{"messages":[{"role":"secret","content":"x"}]}"#, "messages[0].role"),
        (r#"{"messages":[{"role":"user","content":7}]}"#, "messages[0].content"),
        (r#"{"messages":[{"role":"user","content":["secret"]}]}"#, "without a `type`"),
        (r#"{"messages":[{"role":"user","content":"x"}],"model":7}"#, "`model`"),
        (r#"{"messages":[{"role":"user","content":"x"}],"compound":{"tenant":"secret"}}"#, "pass tenant=..."),
    ] {
        let error = Request::parse(body.as_bytes().to_vec(), "", "").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Text);
        assert!(error.to_string().contains(place), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
