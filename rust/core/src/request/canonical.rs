//! The canonical form: two requests that mean the same to every model have the same bytes.
//!
//! Text: Unicode NFC, no white space at either end, runs of white space as one blank. Nothing else; case and
//! punctuation count. Text with layout (indented code, a nested list, a code fence) keeps its white space, for there it
//! means something. JSON: keys sorted, numbers normalised; `null` is a value like any other. Looser sameness is the
//! semantic tier's work.

use serde_json::{Number, Value};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Appends the canonical form of `text` to `out`.
pub fn push_text(out: &mut String, text: &str) {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        push_folded(out, text);
    } else {
        push_folded(out, &text.nfc().collect::<String>());
    }
}

fn push_folded(out: &mut String, text: &str) {
    if has_layout(text) {
        return push_lines(out, text);
    }
    let mut words = text.split_whitespace();
    if let Some(first) = words.next() {
        out.reserve(text.len());
        out.push_str(first);
        for word in words {
            out.push(' ');
            out.push_str(word);
        }
    }
}

/// Whether white space says something in `text`: where code is fenced, or an indented line opens a list item or follows
/// a line that opens a block ("if x:", "f = {"). Prose that somebody indented is still prose.
fn has_layout(text: &str) -> bool {
    if !text.contains(['\n', '\r']) {
        return false;
    }
    let mut opens = false;
    text.contains("```")
        || text.split(['\n', '\r']).filter(|line| !line.trim().is_empty()).any(|line| {
            let is_item = line.trim_start().starts_with(['-', '*', '+']);
            let is_inside = line.starts_with(char::is_whitespace) && (opens || is_item);
            opens = line.trim_end().ends_with([':', '{', '[', '(', ',', ';', '=', '>', '|', '\\']);
            is_inside
        })
}

/// White space as it is, but for blank lines before the first line, blanks after the last, and the kind of line break.
fn push_lines(out: &mut String, text: &str) {
    let text = text.trim_end();
    let first = text.len() - text.trim_start().len();
    let start = text[..first].rfind(['\n', '\r']).map_or(0, |at| at + 1);
    let mut rest = text[start..].chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\r' {
            rest.next_if_eq(&'\n');
        }
        out.push(if c == '\r' { '\n' } else { c });
    }
}

/// The canonical form of `text`.
pub fn text(text: &str) -> String {
    let mut out = String::new();
    push_text(&mut out, text);
    out
}

/// Appends the canonical form of a JSON value to `out`.
///
/// `serde_json::Map` is a sorted map here (the crate's `preserve_order` feature is off), so keys come in order.
pub fn push_json(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::Number(number) => push_number(out, number),
        Value::String(string) => push_string(out, string),
        Value::Array(items) => {
            out.push(b'[');
            for item in items {
                push_json(out, item);
                out.push(b',');
            }
            out.push(b']');
        }
        Value::Object(members) => {
            out.push(b'{');
            for (key, member) in members {
                push_string(out, key);
                out.push(b':');
                push_json(out, member);
                out.push(b',');
            }
            out.push(b'}');
        }
    }
}

/// A length before the bytes makes escapes unnecessary: the canonical form is hashed, never parsed again.
fn push_string(out: &mut Vec<u8>, string: &str) {
    out.push(b'"');
    out.extend_from_slice(&(string.len() as u64).to_le_bytes());
    out.extend_from_slice(string.as_bytes());
}

/// 1, 1.0 and 1e0 are one number.
fn push_number(out: &mut Vec<u8>, number: &Number) {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53: up to here every integer is an f64 of its own.
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => {
            // Adding zero makes -0 the number 0.
            out.extend_from_slice(format!("{:.0}", float + 0.0).as_bytes());
        }
        _ => out.extend_from_slice(number.to_string().as_bytes()),
    }
    out.push(b';');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(source: &str) -> Vec<u8> {
        let mut out = Vec::new();
        push_json(&mut out, &serde_json::from_str(source).unwrap());
        out
    }

    #[test]
    fn white_space_is_folded_and_case_is_kept() {
        assert_eq!(text("  Where\tis\n\n my  order? "), "Where is my order?");
        assert_ne!(text("Where"), text("where"));
        assert_eq!(text(" \n"), "");
    }

    #[test]
    fn layout_is_kept_where_it_means_something() {
        let inside = "for x in y:\n    a(x)\n    b(x)";
        let outside = "for x in y:\n    a(x)\nb(x)";
        assert_eq!(text(inside), inside);
        assert_eq!(text(&format!("\r\n\n{}\r\n ", inside.replace('\n', "\r\n"))), inside);
        assert_ne!(text(inside), text(outside));
        assert_ne!(text(&format!("    {inside}")), text(inside));
        assert_ne!(text("```\na  b\n```"), text("```\na b\n```"));
        assert_eq!(text("one\n \ntwo\n"), "one two");
    }

    #[test]
    fn composed_and_decomposed_text_is_one() {
        assert_eq!(text("cafe\u{301}"), text("caf\u{e9}"));
    }

    #[test]
    fn key_order_and_number_form_do_not_count() {
        assert_eq!(json(r#"{"b":1.0,"a":[1e0,-0.0]}"#), json(r#"{"a":[1,0],"b":1}"#));
        assert_ne!(json(r#"{"const":null}"#), json("{}"));
        assert_ne!(json(r#"{"a":1}"#), json(r#"{"a":1.5}"#));
        assert_ne!(json(r#"{"a":"1"}"#), json(r#"{"a":1}"#));
        assert_ne!(json(r#"[["a"],"b"]"#), json(r#"[["a","b"]]"#));
    }

    #[test]
    fn negative_integers_keep_their_sign() {
        assert_eq!(json("-10.0"), json("-10"));
        assert_ne!(json("-10"), json("10"));
    }
}
