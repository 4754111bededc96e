//! The canonical chat request: what is asked, and the scope it is asked in.
//!
//! A request is split once into three byte strings. The *identity* is who asks of which model (tenant, namespace,
//! model); the *context* is how it is asked (system prompt, earlier turns, tools, response format, sampling, every
//! field we do not know); the *text* is the last user turn. Identity and context are compared exactly, always; only
//! the text may ever be compared by meaning.

pub mod canonical;
mod fingerprint;
mod shape;

use std::hash::Hasher;
use std::sync::OnceLock;

use serde_json::{Map, Value};
use siphasher::sip::SipHasher13;

pub use self::fingerprint::FingerprintKey;
pub use self::shape::{Layout, Shape};
use crate::error::{Error, ErrorKind, Result};

/// Fields that never change the answer, so that they are no part of the context.
const NO_CONTEXT: [&str; 11] = [
    "messages",
    "metadata",
    "model",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "user",
];

/// Roles of the OpenAI chat format.
const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];

/// A parsed chat request.
#[derive(Debug)]
pub struct Request {
    body: Vec<u8>,
    tenant: String,
    namespace: String,
    model: String,
    /// Canonical text of the last user turn.
    text: String,
    /// Whether the last message is a user's and holds text, so that it can be compared by meaning.
    has_text_turn: bool,
    identity: Vec<u8>,
    context: Vec<u8>,
    shape: Shape,
    layout: OnceLock<Layout>,
}

impl Request {
    /// Parses an OpenAI chat-completion body. Cost grows with the body: one JSON parse, one copy of its text.
    ///
    /// # Errors
    /// `Text` where the body is not JSON, has no `messages`, or holds a message of an unknown form; the message names
    /// the place and never the text.
    pub fn parse(body: Vec<u8>, tenant: &str, namespace: &str) -> Result<Self> {
        let fields = match serde_json::from_slice::<Value>(&body) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err(fault("the body is JSON but not an object; expected {\"messages\": [...]}")),
            Err(error) => {
                let place = format!("the body is not JSON: line {}, column {}", error.line(), error.column());
                return Err(fault(place).caused_by(error));
            }
        };
        let messages = match fields.get("messages") {
            Some(Value::Array(messages)) if !messages.is_empty() => messages,
            Some(_) => return Err(fault("`messages` is not a list with at least one message")),
            None => return Err(fault("the body has no `messages`")),
        };
        let model = match fields.get("model") {
            None | Some(Value::Null) => "auto",
            Some(Value::String(model)) if !model.is_empty() => model,
            Some(_) => return Err(fault("`model` is not a name; leave it out or say \"auto\" to have one chosen")),
        };
        let model = model.to_owned();
        if fields.contains_key("compound") {
            let context =
                "the body holds `compound`; its options are arguments here: pass tenant=..., and leave it out";
            return Err(fault(context));
        }

        let mut reader = Reader::default();
        reader.messages(messages)?;
        reader.parameters(&fields);
        let shape = Shape::read(&fields, messages);
        let mut identity = Vec::with_capacity(tenant.len() + namespace.len() + model.len() + 24);
        for part in [tenant, namespace, &model] {
            identity.extend_from_slice(&(part.len() as u64).to_le_bytes());
            identity.extend_from_slice(part.as_bytes());
        }
        Ok(Self {
            tenant: tenant.to_owned(),
            namespace: namespace.to_owned(),
            text: reader.text,
            has_text_turn: reader.has_text_turn,
            identity,
            context: reader.context,
            shape,
            layout: OnceLock::new(),
            model,
            body,
        })
    }

    /// The bytes as they came.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Who asks; the empty string where nobody said.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// A partition of the caller's own choosing.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The model asked for; `"auto"` where it is to be chosen.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Canonical text of the last user turn; empty where there is none.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the last message is a user's and holds text, so that it may be compared by meaning.
    pub fn has_text_turn(&self) -> bool {
        self.has_text_turn
    }

    /// Numbers about the request that need no look at its text.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// How the last user turn is laid out, as it was typed. Found when first asked for: no step of the path does.
    pub fn layout(&self) -> Layout {
        *self.layout.get_or_init(|| Layout::of_body(&self.body))
    }

    /// Who asks, of which model: canonical bytes.
    pub fn identity(&self) -> &[u8] {
        &self.identity
    }

    /// How it is asked: canonical bytes of everything but identity and text.
    pub fn context(&self) -> &[u8] {
        &self.context
    }

    /// A 64-bit hash of what is asked and how, whoever asks and whichever model: the seed of simulated answers.
    ///
    /// Not secret and not a cache key: use [`FingerprintKey`] for those.
    pub fn hash(&self, seed: u64) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(seed, 0);
        hasher.write(&self.context);
        hasher.write(self.text.as_bytes());
        hasher.finish()
    }
}

fn fault(context: impl Into<String>) -> Error {
    Error::new(ErrorKind::Text, context)
}

/// What reading the messages and the parameters gathers.
#[derive(Default)]
struct Reader {
    text: String,
    has_text_turn: bool,
    context: Vec<u8>,
}

impl Reader {
    fn messages(&mut self, messages: &[Value]) -> Result<()> {
        let asked = messages.iter().rposition(|message| message["role"] == "user");
        let mut scratch = String::new();
        for (position, message) in messages.iter().enumerate() {
            let Value::Object(fields) = message else {
                return Err(fault(format!("messages[{position}] is not an object")));
            };
            let role = match fields.get("role") {
                Some(Value::String(role)) if ROLES.contains(&role.as_str()) => role,
                _ => return Err(fault(format!("messages[{position}].role is none of {}", ROLES.join(", ")))),
            };
            let is_asked = Some(position) == asked;
            self.context.push(if is_asked { b'?' } else { b'm' });
            self.context.extend_from_slice(role.as_bytes());
            scratch.clear();
            self.content(fields.get("content"), position, &mut scratch)?;
            if is_asked {
                self.has_text_turn = position + 1 == messages.len() && !scratch.is_empty();
                self.text.clone_from(&scratch);
            } else {
                canonical::push_json(&mut self.context, &Value::String(std::mem::take(&mut scratch)));
            }
            for (key, value) in fields {
                if !matches!(key.as_str(), "role" | "content") && !value.is_null() {
                    canonical::push_json(&mut self.context, &Value::String(key.clone()));
                    canonical::push_json(&mut self.context, value);
                }
            }
        }
        Ok(())
    }

    /// Gathers the text of a message's content in `text`, and puts every part that is not text in the context.
    fn content(&mut self, content: Option<&Value>, position: usize, text: &mut String) -> Result<()> {
        match content {
            None | Some(Value::Null) => Ok(()),
            Some(Value::String(content)) => {
                canonical::push_text(text, content);
                Ok(())
            }
            Some(Value::Array(parts)) => {
                for part in parts {
                    if let (Some("text"), Some(content)) = (part["type"].as_str(), part["text"].as_str()) {
                        if !text.is_empty() {
                            text.push(' ');
                        }
                        canonical::push_text(text, content);
                        self.part_fields(part, text.len());
                    } else if part["type"].is_string() {
                        self.context.push(b'p');
                        // Where the part stands among the words matters: "this one <image> not that one".
                        self.context.extend_from_slice(&(text.len() as u64).to_le_bytes());
                        canonical::push_json(&mut self.context, part);
                    } else {
                        return Err(fault(format!("messages[{position}].content holds a part without a `type`")));
                    }
                }
                Ok(())
            }
            Some(_) => Err(fault(format!("messages[{position}].content is neither text nor a list of parts"))),
        }
    }

    /// What a part says beside its text. `cache_control` is for the server's own cache: no model reads it.
    fn part_fields(&mut self, part: &Value, place: usize) {
        for (key, value) in part.as_object().into_iter().flatten() {
            if !matches!(key.as_str(), "type" | "text" | "cache_control") && !value.is_null() {
                self.context.push(b'q');
                self.context.extend_from_slice(&(place as u64).to_le_bytes());
                canonical::push_json(&mut self.context, &Value::String(key.clone()));
                canonical::push_json(&mut self.context, value);
            }
        }
    }

    fn parameters(&mut self, fields: &Map<String, Value>) {
        for (key, value) in fields {
            if !NO_CONTEXT.contains(&key.as_str()) && !is_default(key, value) {
                self.context.push(b'f');
                canonical::push_json(&mut self.context, &Value::String(key.clone()));
                canonical::push_json(&mut self.context, value);
            }
        }
    }
}

/// Whether leaving the field out would mean the same.
fn is_default(key: &str, value: &Value) -> bool {
    match (key, value) {
        (_, Value::Null) => true,
        ("temperature" | "top_p" | "n", value) => value.as_f64() == Some(1.0),
        ("presence_penalty" | "frequency_penalty", value) => value.as_f64() == Some(0.0),
        ("tools" | "functions" | "stop", Value::Array(items)) => items.is_empty(),
        ("logit_bias", Value::Object(members)) => members.is_empty(),
        ("logprobs", value) => value == &Value::Bool(false),
        ("parallel_tool_calls", value) => value == &Value::Bool(true),
        ("response_format", Value::Object(format)) => format.len() == 1 && format.get("type") == Some(&"text".into()),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
