//! Whole requests: what is counted of messages, tools and images, and what fits.

use super::json::Body;
use super::models::Family;
use super::request::Tally;
use super::tests::all_encodings;
use super::*;

/// The example of OpenAI's cookbook, with the counts that its notebook shows beside the API's own.
const COOKBOOK: &str = r#"{"messages": [
 {"role": "system", "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
 {"role": "system", "name": "example_user", "content": "New synergies will help drive top-line growth."},
 {"role": "system", "name": "example_assistant", "content": "Things working well together will increase revenue."},
 {"role": "system", "name": "example_user", "content": "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."},
 {"role": "system", "name": "example_assistant", "content": "Let's talk later when we're less busy about how to do better."},
 {"role": "user", "content": "This late pivot means we don't have time to boil the ocean for the client deliverable."}]}"#;

#[test]
fn messages_and_names_count_as_the_cookbook_says() {
    let newer = count_request(COOKBOOK.as_bytes(), "gpt-4o").unwrap();
    let older = count_request(COOKBOOK.as_bytes(), "gpt-4").unwrap();
    assert_eq!((newer.tokens, newer.is_exact), (124, true));
    assert_eq!((older.tokens, older.is_exact), (129, true));
}

#[test]
fn every_role_is_one_token_in_every_encoding() {
    for encoding in all_encodings() {
        for role in ["user", "assistant", "system", "tool", "developer", "function"] {
            assert_eq!(encoding.count(role), 1, "{role} in {}", encoding.name());
        }
    }
}

#[test]
fn tools_are_written_as_a_typescript_namespace() {
    let tools = r#"[{"type":"function","function":{"name":"weather","description":"Now","parameters":{"type":"object","properties":{
        "place":{"type":"string","description":"City"},"unit":{"type":"string","enum":["c","f"]},"days":{"type":"array","items":{"type":"integer"}},
        "deep":{"type":"object","properties":{"x":{"type":"boolean","description":"left out"}}}},"required":["place"]}}},
        {"type":"function","function":{"name":"ping"}}]"#;
    let mut text = String::new();
    super::tools::write(Body::read(tools.as_bytes()).unwrap().root().items(), &mut text);
    let expected = "namespace functions {\n\n// Now\ntype weather = (_: {\n// City\nplace: string,\nunit?: \"c\" | \"f\",\ndays?: number[],\n\
                    deep?: {\n  x?: boolean,\n},\n}) => any;\n\ntype ping = () => any;\n\n} // namespace functions";
    assert_eq!(text, expected);
}

#[test]
fn a_request_with_tools_is_no_exact_count_and_its_bound_is_above_it() {
    let body = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"ping"}}]}"#;
    let count = count_request(body.as_bytes(), "").unwrap();
    assert!(!count.is_exact && count.upper > count.tokens && count.how.contains("tools"));
    assert!(count_request(br#"{"messages":[]}"#, "").is_err());
    assert!(count_request(br#"{"prompt":"x"}"#, "gpt-4o").is_err());
}

fn image(width: u32, height: u32) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // A PNG's signature and header chunk, in base64.
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.push(0);
    let digits = bytes.chunks(3).flat_map(|three| {
        let word = three.iter().fold(0u32, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        (0..=three.len()).map(move |at| char::from(DIGITS[(word >> (18 - 6 * at) & 63) as usize]))
    });
    format!("data:image/png;base64,{}", digits.collect::<String>())
}

#[test]
fn images_count_by_the_providers_rules() {
    let tokens = |model: &str, width, height| {
        let size = super::images::size_of(&image(width, height));
        assert_eq!(size, Some((width, height)));
        super::images::tokens(Family::of(model), model, size, "auto").tokens
    };
    // OpenAI's guide: 1024 x 1024 is 765, 2048 x 4096 is 1105; 1024 x 1024 is 1024 patches, 1800 x 2400 is 1452.
    assert_eq!(tokens("gpt-4o", 1024, 1024), 765);
    assert_eq!(tokens("gpt-4o", 2048, 4096), 1105);
    assert_eq!(tokens("o4-mini", 1024, 1024), (1024 * 1720usize).div_ceil(1000));
    assert_eq!(tokens("gpt-4.1-mini", 1800, 2400), (1452 * 1620usize).div_ceil(1000));
    assert_eq!(tokens("claude-sonnet-4-5", 1000, 1000), 36 * 36);
    assert_eq!(tokens("claude-sonnet-4-5", 8000, 8000), 1568);
    assert_eq!(tokens("claude-opus-4-7", 1920, 1080), 69 * 39);
    assert_eq!(tokens("gemini-2.5-pro", 300, 300), 258);
    assert_eq!(tokens("gemini-2.5-pro", 1000, 1000), 258 * 4);
}

#[test]
fn an_image_behind_a_url_is_not_fetched_and_widens_the_bound() {
    let body = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"https://example.org/a.png"}}]}]}"#;
    let count = count_request(body.as_bytes(), "gpt-4o").unwrap();
    assert!(!count.is_exact && count.tokens > 765 && count.upper >= 85 + 170 * 8);
}

fn conversation(turns: usize) -> String {
    let mut messages = vec![r#"{"role":"system","content":"Be brief."}"#.to_owned()];
    for turn in 0..turns {
        messages.push(format!(r#"{{"role":"user","content":"Question {turn} {}"}}"#, "about the order ".repeat(20)));
        messages.push(format!(r#"{{"role":"assistant","tool_calls":[{{"id":"c{turn}","type":"function","function":{{"name":"look","arguments":"{{}}"}}}}]}}"#));
        messages.push(format!(r#"{{"role":"tool","tool_call_id":"c{turn}","content":"{}"}}"#, "row ".repeat(50)));
        messages.push(r#"{"role":"assistant","content":"Here it is."}"#.to_owned());
    }
    messages.push(r#"{"role":"user","content":"And the last one?"}"#.to_owned());
    format!(r#"{{"messages":[{}]}}"#, messages.join(","))
}

#[test]
fn fitting_keeps_system_and_last_turn_and_never_parts_a_call_from_its_result() {
    let body = conversation(6);
    for budget in (60..900).step_by(23) {
        for policy in [Policy::Drop, Policy::Shorten] {
            let fitted = fit(body.as_bytes(), "gpt-4o", budget, 0, policy).unwrap();
            assert!(fitted.tokens <= budget);
            let dropped: Vec<usize> =
                fitted.cuts.iter().filter(|cut| cut.content.is_none()).map(|cut| cut.index).collect();
            assert!(!dropped.contains(&0) && !dropped.contains(&25));
            for turn in 0..6 {
                let call = 2 + 4 * turn;
                assert_eq!(dropped.contains(&call), dropped.contains(&(call + 1)));
            }
            // What was cut is counted again from what is left.
            let kept = rebuilt(&body, &fitted);
            assert!(count_request(kept.as_bytes(), "gpt-4o").unwrap().tokens <= budget);
        }
    }
    assert!(fit(body.as_bytes(), "gpt-4o", 10, 0, Policy::Drop).is_err());
    assert!(fit(body.as_bytes(), "gpt-4o", 100, 100, Policy::Drop).is_err());
}

fn rebuilt(body: &str, fitted: &Fit) -> String {
    let mut body: serde_json::Value = serde_json::from_str(body).unwrap();
    let messages = body["messages"].as_array_mut().unwrap();
    for cut in fitted.cuts.iter().rev() {
        match &cut.content {
            Some(content) => messages[cut.index]["content"] = content.as_str().into(),
            None => drop(messages.remove(cut.index)),
        }
    }
    body.to_string()
}

#[test]
fn what_fits_is_left_as_it_is() {
    let fitted = fit(conversation(1).as_bytes(), "gpt-4o", 100_000, 1000, Policy::Shorten).unwrap();
    assert!(fitted.cuts.is_empty());
    assert!(
        Tally::of(Body::read(conversation(1).as_bytes()).unwrap().root(), "gpt-4o").unwrap().total().tokens
            <= fitted.tokens
    );
}

#[test]
fn estimates_say_what_they_are() {
    let exact = estimate_text("hello", "gpt-4o");
    assert!(exact.is_exact && exact.upper == exact.tokens);
    let estimate = estimate_text(&"The quick brown fox jumps. ".repeat(50), "claude-sonnet-4-5");
    assert!(!estimate.is_exact && estimate.upper > estimate.tokens && estimate.how.contains("Claude"));
    assert_eq!(estimate_text("", "claude-sonnet-4-5").upper, 0);
}
