//! Token counts. Provisional: a crate counts, and the room's own core takes its place.

use std::sync::LazyLock;

use serde_json::Value;
use tiktoken_rs::CoreBPE;

static O200K: LazyLock<Option<CoreBPE>> = LazyLock::new(|| tiktoken_rs::o200k_base().ok());

/// Tokens that the chat format adds to every message, and once for the reply.
const PER_MESSAGE: usize = 3;
const REPLY: usize = 3;

/// Tokens of a text in `o200k_base`; special tokens count as plain text.
pub fn count_text(text: &str) -> usize {
    O200K.as_ref().map_or(text.len().div_ceil(4), |encoding| encoding.encode_ordinary(text).len())
}

/// Tokens of a chat-completion body: messages, tools, and what the chat format adds.
pub fn count_body(body: &[u8]) -> u32 {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return 0 };
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let mut tokens = REPLY;
    for message in messages {
        tokens += PER_MESSAGE + count_text(message["role"].as_str().unwrap_or_default());
        match &message["content"] {
            Value::String(content) => tokens += count_text(content),
            Value::Array(parts) => {
                tokens += parts.iter().filter_map(|part| part["text"].as_str()).map(count_text).sum::<usize>();
            }
            _ => {}
        }
    }
    if body["tools"].is_array() {
        tokens += count_text(&body["tools"].to_string());
    }
    u32::try_from(tokens).unwrap_or(u32::MAX)
}
