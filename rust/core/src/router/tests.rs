use super::*;
use crate::request::Request;

const CONFIG: &str = r#"{
    "models": [
        {"name": "big", "tier": "strong", "context_window": 1000, "price": {"input": 1000000, "output": 2000000}},
        {"name": "mid", "tier": "medium", "context_window": 100, "price": null},
        {"name": "small", "tier": "weak", "context_window": 60, "price": {"input": 100000, "output": 200000}}
    ],
    "rules": [{"name": "code", "when": [{"has_code": true}], "use": "medium"},
              {"name": "talks", "when": [{"min_turns": 3}, {"max_tokens": 8, "is_question": false}], "use": "big"}],
    "thresholds": {"medium": 0.3, "strong": 0.45}
}"#;

fn analysis(tenant: &str, body: &serde_json::Value) -> Analysis {
    Analysis::new(Request::parse(body.to_string().into_bytes(), tenant, "").unwrap())
}

fn ask(text: &str) -> Analysis {
    analysis("", &serde_json::json!({"messages": [{"role": "user", "content": text}]}))
}

fn route(analysis: &Analysis) -> RouteDecision {
    Router::from_json(CONFIG).unwrap().route(analysis).unwrap()
}

#[test]
fn an_easy_request_goes_to_the_weak_model_and_stronger_ones_stand_behind_it() {
    let decision = route(&ask("Where is my order?"));

    assert_eq!(decision.candidates, ["small", "mid", "big"]);
    assert!(decision.complexity.unwrap() < 0.3);
    assert_eq!(decision.expected_cost_nano, Some(52)); // (12 * 0.1 + 256 * 0.2) nano-dollars, rounded
}

#[test]
fn a_hard_request_goes_to_a_stronger_model() {
    let hard =
        "Compare the two warranty plans, explain the trade-off, and justify which one is better. Why? And what if not?";

    let decision = route(&ask(hard));

    assert_eq!(decision.model(), "big");
    assert!(decision.reasons[0].contains("strong"), "{:?}", decision.reasons);
}

#[test]
fn the_first_rule_that_holds_decides() {
    assert_eq!(route(&ask("def f(): return g()")).candidates, ["mid", "big", "small"]);
    let short = route(&ask("hi"));
    assert_eq!((short.model(), &short.reasons[..]), ("big", &[r#"rule "talks" -> big"#.to_owned()][..]));
    let turns = serde_json::json!({"role": "user", "content": "Where is my order number two?"});
    assert_eq!(route(&analysis("", &serde_json::json!({"messages": [turns, turns, turns]}))).model(), "big");
}

#[test]
fn a_named_model_is_the_only_candidate() {
    let body = serde_json::json!({"model": "big", "messages": [{"role": "user", "content": "hi"}]});

    assert_eq!(route(&analysis("", &body)).candidates, ["big"]);
}

#[test]
fn an_unknown_model_is_an_error_that_lists_the_known_ones() {
    let body = serde_json::json!({"model": "gpt-9", "messages": [{"role": "user", "content": "hi"}]});

    let error = Router::from_json(CONFIG).unwrap().route(&analysis("", &body)).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::NoCandidate);
    assert_eq!(error.to_string(), r#"model "gpt-9" is not configured; use "auto" or one of: big, mid, small"#);
}

#[test]
fn a_model_whose_window_is_too_short_is_left_out() {
    let decision = route(&ask(&"word ".repeat(80)));
    assert_eq!(decision.candidates, ["mid", "big"]);

    let router = Router::from_json(CONFIG).unwrap();
    let error = router.route(&ask(&"word ".repeat(2_000))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoCandidate);
    assert!(error.to_string().contains("big left out"), "{error}");
}

#[test]
fn a_faulty_configuration_is_refused_with_its_place() {
    for (from, to, place) in [
        ("\"big\", \"tier\"", "\"mid\", \"tier\"", "is taken"),
        ("\"use\": \"big\"", "\"use\": \"huge\"", "\"huge\""),
        ("\"medium\": 0.3", "\"medium\": 0.9", "thresholds"),
        ("has_code", "has_coed", "has_coed"),
    ] {
        let error = Router::from_json(&CONFIG.replace(from, to)).unwrap_err();
        assert!(error.to_string().contains(place), "{error}");
    }
}
