//! Numbers about a request that need no look at its words.

use serde_json::{Map, Value};

/// What a request is made of.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Messages in all.
    pub turns: u32,
    /// Messages of the user.
    pub user_turns: u32,
    /// Messages of the assistant.
    pub assistant_turns: u32,
    /// Results of tools.
    pub tool_turns: u32,
    /// Characters of the system and developer messages.
    pub system_chars: u32,
    /// Tools offered.
    pub tools: u32,
    /// Calls of tools in earlier turns.
    pub tool_calls: u32,
    /// Content parts that are not text: images, audio, files.
    pub media: u32,
    /// Those that are images.
    pub images: u32,
    /// Those that are audio.
    pub audio: u32,
    /// Whether JSON or a schema is asked for.
    pub wants_json: bool,
    /// Whether the answer is to be streamed.
    pub is_stream: bool,
    /// `max_completion_tokens`, or the older `max_tokens`; the smaller where both stand.
    pub max_output_tokens: Option<u32>,
    /// As given.
    pub temperature: Option<f32>,
    /// As given.
    pub top_p: Option<f32>,
    /// Answers asked for (`n`).
    pub samples: Option<u32>,
}

/// How a text is laid out. Only what is typed has a layout: the canonical form folds most white space.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Lines that hold something.
    pub lines: u32,
    /// Runs of such lines.
    pub paragraphs: u32,
    /// Lines that begin with "-", "*", "+", "•", a number or one letter before "." or ")", and a blank.
    pub list_items: u32,
    /// Lines cut by "|" or by tabs into three parts or more.
    pub table_rows: u32,
    /// Lines that begin with one to six "#" and a blank.
    pub headings: u32,
}

impl Shape {
    /// Reads a body whose `messages` are objects with known roles.
    pub(super) fn read(fields: &Map<String, Value>, messages: &[Value]) -> Self {
        let mut shape = Self { turns: count(messages.len()), ..Self::default() };
        for message in messages {
            let content = &message["content"];
            match message["role"].as_str() {
                Some("user") => shape.user_turns += 1,
                Some("assistant") => shape.assistant_turns += 1,
                Some("tool" | "function") => shape.tool_turns += 1,
                _ => each_text(content, |text| shape.system_chars += count(text.chars().count())),
            }
            shape.tool_calls += message["tool_calls"].as_array().map_or(0, |calls| count(calls.len()));
            shape.tool_calls += u32::from(message["function_call"].is_object());
            for part in content.as_array().into_iter().flatten() {
                match part["type"].as_str() {
                    Some("text") if part["text"].is_string() => continue,
                    Some("image_url" | "input_image" | "image") => shape.images += 1,
                    Some("input_audio" | "audio") => shape.audio += 1,
                    _ => {}
                }
                shape.media += 1;
            }
        }
        shape.parameters(fields);
        shape
    }

    fn parameters(&mut self, fields: &Map<String, Value>) {
        let number = |key: &str| fields.get(key).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        #[expect(clippy::cast_possible_truncation, reason = "a temperature has few digits")]
        let fraction = |key: &str| fields.get(key).and_then(Value::as_f64).map(|fraction| fraction as f32);
        self.tools = fields.get("tools").and_then(Value::as_array).map_or(0, |tools| count(tools.len()));
        let format = fields.get("response_format").and_then(|format| format["type"].as_str());
        self.wants_json = matches!(format, Some("json_object" | "json_schema"));
        self.is_stream = fields.get("stream") == Some(&Value::Bool(true));
        self.max_output_tokens = ["max_tokens", "max_completion_tokens"].into_iter().filter_map(number).min();
        self.temperature = fraction("temperature");
        self.top_p = fraction("top_p");
        self.samples = number("n");
    }
}

impl Layout {
    /// How the last user turn of a body is laid out, which is read for it once more; nothing where there is none.
    pub(super) fn of_body(body: &[u8]) -> Self {
        let mut layout = Self::default();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
        if let Some(asked) = messages.iter().rfind(|message| message["role"] == "user") {
            each_text(&asked["content"], |text| layout.add(text));
        }
        layout
    }

    /// Adds a text, or a further part of one. About 0.3 ns a byte.
    pub fn add(&mut self, text: &str) {
        let mut is_after_gap = true;
        for line in text.split('\n').map(str::trim) {
            if line.is_empty() {
                is_after_gap = true;
                continue;
            }
            self.lines += 1;
            self.paragraphs += u32::from(is_after_gap);
            is_after_gap = false;
            self.list_items += u32::from(is_item(line));
            self.headings += u32::from(is_heading(line));
            self.table_rows += u32::from(is_row(line));
        }
    }
}

fn is_item(line: &str) -> bool {
    let Some((mark, _)) = line.split_once(' ') else { return false };
    let ordinal = mark.strip_suffix(['.', ')']).unwrap_or("");
    let is_number = (1..=3).contains(&ordinal.len()) && ordinal.bytes().all(|byte| byte.is_ascii_digit());
    let is_letter = ordinal.len() == 1 && ordinal.as_bytes()[0].is_ascii_alphabetic();
    matches!(mark, "-" | "*" | "+" | "•") || is_number || is_letter
}

fn is_heading(line: &str) -> bool {
    let rest = line.trim_start_matches('#');
    (1..=6).contains(&(line.len() - rest.len())) && rest.starts_with(' ')
}

fn is_row(line: &str) -> bool {
    let bars = line.bytes().filter(|&byte| byte == b'|').count();
    let tabs = line.bytes().filter(|&byte| byte == b'\t').count();
    // "a || b" is code: a bar cuts where it stands first or between blanks.
    tabs >= 2 || bars >= 2 && (line.starts_with('|') || line.matches(" | ").count() >= 2)
}

/// Calls `read` with every text of a message's content.
fn each_text(content: &Value, mut read: impl FnMut(&str)) {
    if let Some(text) = content.as_str() {
        read(text);
    }
    for part in content.as_array().into_iter().flatten().filter(|part| part["type"] == "text") {
        if let Some(text) = part["text"].as_str() {
            read(text);
        }
    }
}

fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_counted_by_lines() {
        let mut layout = Layout::default();

        layout.add("# Plan\r\n\n - one\n2) two\n\ta. three\nword. no item\n\n| a | b |\n|---|---|\nx\ty\tz\na || b || c\n#no heading");

        let expected = Layout { lines: 10, paragraphs: 3, list_items: 3, table_rows: 3, headings: 1 };
        assert_eq!(layout, expected);
    }

    #[test]
    fn nothing_has_no_lines() {
        let mut layout = Layout::default();

        layout.add(" \n\n");

        assert_eq!(layout, Layout::default());
    }
}
