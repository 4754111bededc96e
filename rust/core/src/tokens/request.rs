//! Counting a whole chat request from its JSON body, in one call.

use super::encoding::Encoding;
use super::estimate::{self, Mixture};
use super::images;
use super::json::{Body, Json, Kind};
use super::models::{self, Family};
use super::tools;
use crate::error::{Error, ErrorKind, Result};

/// A count that says what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenCount {
    /// The count, or the best estimate of it.
    pub tokens: usize,
    /// Whether the model's own tokenizer gave it and every rule used is published and checked.
    pub is_exact: bool,
    /// The count where exact, else what it stays below on everything that was measured.
    pub upper: usize,
    /// How it was found.
    pub how: String,
}

impl TokenCount {
    /// The count of one text in `encoding`, scaled where the model has another tokenizer.
    pub(super) fn of_text(tokens: usize, encoding: &str, ratio: Option<(f64, f64, &'static str)>) -> Self {
        match ratio {
            None => Self { tokens, is_exact: true, upper: tokens, how: encoding.to_owned() },
            Some((ratio, band, how)) => {
                let how = format!("{how}, at most {:.0} % low", band * 100.0);
                let upper = scaled(tokens, ratio * (1.0 + band)) + usize::from(tokens > 0);
                Self { tokens: scaled(tokens, ratio), is_exact: false, upper, how }
            }
        }
    }
}

/// OpenAI's cookbook: each message, a name in it, and the start of the reply.
const PER_MESSAGE: usize = 3;
const PER_NAME: usize = 1;
const REPLY: usize = 3;
/// The roles that there are.
const ROLES: [&str; 6] = ["user", "assistant", "system", "tool", "developer", "function"];
/// Around tool definitions; less where a system message is there to hold them.
const TOOLS: usize = 9;
const TOOLS_IN_SYSTEM: usize = 4;
/// A call beside its name and arguments.
const PER_CALL: usize = 3;
/// The system prompt that Anthropic adds when tools are given (its documentation, `tool_choice` auto).
const CLAUDE_TOOLS: usize = 346;
/// The heading over a JSON schema that the reply must follow.
const RESPONSE_FORMAT: usize = 10;
/// An audio or file part, whose length cannot be read from the body.
const OPAQUE: usize = 500;

/// Counts a chat-completion body (OpenAI's shape; Anthropic's content blocks and tools are understood too).
///
/// An empty `model` stands for the one that the body names. O(body). Seven messages and three tools take 7 us.
pub fn count_request(body: &[u8], model: &str) -> Result<TokenCount> {
    let body = Body::read(body)?;
    Ok(Tally::of(body.root(), model)?.total())
}

/// The parts of a request's count.
pub struct Tally<'a> {
    family: Family,
    encoding: &'static Encoding,
    model: &'a str,
    mixture: Mixture,
    /// Tokens of each message, framing included, in our encoding.
    pub messages: Vec<usize>,
    /// Tokens of all that is no message: tools, response format, reply.
    pub rest: usize,
    /// Image tokens: as many as they are whatever the tokenizer.
    images: usize,
    /// What the images may take beyond that.
    images_slack: usize,
    /// Tokens that follow a rule found by observation.
    observed: usize,
    has_opaque: bool,
}

impl<'a> Tally<'a> {
    /// Counts every part.
    pub fn of(body: Json<'a>, model: &'a str) -> Result<Self> {
        let model = match model {
            "" => body.text_of("model").ok_or_else(|| {
                Error::new(ErrorKind::Config, "no model is given and the request body names none; pass model=")
            })?,
            model => model,
        };
        let Some(messages) = body.get("messages").filter(|messages| messages.kind() == Kind::Array) else {
            return Err(Error::new(ErrorKind::Text, "the request body has no list of messages under \"messages\""));
        };
        let family = Family::of(model);
        let mut tally = Self {
            family,
            encoding: family.encoding(),
            model: models::bare(model),
            mixture: Mixture::default(),
            messages: Vec::with_capacity(16),
            rest: REPLY,
            images: 0,
            images_slack: 0,
            observed: 0,
            has_opaque: false,
        };
        for (at, message) in messages.items().enumerate() {
            if message.kind() != Kind::Object {
                return Err(Error::new(ErrorKind::Text, format!("messages[{at}] is not an object")));
            }
            let tokens = tally.message(message);
            tally.messages.push(tokens);
        }
        // Anthropic's body holds its system prompt beside the messages.
        if let Some(system) = body.get("system") {
            tally.rest += PER_MESSAGE + tally.content(system);
        }
        tally.tools(body, messages);
        if let Some(format) = body.get("response_format") {
            tally.response_format(format);
        }
        Ok(tally)
    }

    /// The factor on text tokens, and the one that gives the upper bound.
    pub fn factors(&self) -> (f64, f64) {
        estimate::ratio(self.family, &self.mixture).map_or((1.0, 1.0), |(ratio, band, _)| (ratio, ratio * (1.0 + band)))
    }

    /// The count of the request.
    pub fn total(&self) -> TokenCount {
        let text = self.messages.iter().sum::<usize>() - self.images + self.rest;
        let is_framed = matches!(self.family, Family::OpenAi { is_framed: true, .. });
        let mut count = TokenCount::of_text(text, self.encoding.name(), estimate::ratio(self.family, &self.mixture));
        let plain = self.observed == 0 && self.images == 0 && !self.has_opaque;
        count.is_exact = count.is_exact && is_framed && plain;
        count.tokens += self.images;
        count.upper += self.images + self.images_slack;
        count.how.push_str(" + chat framing");
        if self.observed > 0 {
            count.how.push_str(" + tools and formats by observed rules");
            count.upper += self.observed.div_ceil(5) + 8;
        }
        if self.images > 0 {
            count.how.push_str(" + images by published rules");
        }
        if self.has_opaque {
            count.how.push_str(" + audio or files guessed");
            count.upper += 10 * OPAQUE;
        }
        if !count.is_exact && matches!(self.family, Family::OpenAi { .. }) {
            // The framing of newer models is not published: one token a message was the most seen.
            count.upper += self.messages.len();
        }
        count
    }

    fn text(&mut self, text: &str) -> usize {
        if !matches!(self.family, Family::OpenAi { .. }) {
            self.mixture.add(text);
        }
        self.encoding.count(text)
    }

    /// A message with its framing.
    fn message(&mut self, message: Json) -> usize {
        let mut tokens = PER_MESSAGE;
        for (key, value) in message.members() {
            tokens += match key {
                "role" => match value.text() {
                    // One token each in every shipped encoding: a test says so.
                    Some(role) if ROLES.contains(&role) => 1,
                    Some(role) => self.encoding.count(role),
                    None => 0,
                },
                "content" | "refusal" | "reasoning_content" => self.content(value),
                "name" => value.text().map_or(0, |name| self.text(name) + PER_NAME),
                "tool_calls" => {
                    let calls: usize = value.items().map(|call| self.call(call.get("function").unwrap_or(call))).sum();
                    self.observed += calls;
                    calls
                }
                "function_call" => {
                    let call = self.call(value);
                    self.observed += call;
                    call
                }
                // Ids tie messages together; the model does not see them.
                _ => 0,
            };
        }
        tokens
    }

    fn call(&mut self, function: Json) -> usize {
        let name = function.text_of("name").map_or(0, |name| self.text(name));
        let arguments = function.get("arguments").or_else(|| function.get("input"));
        let arguments = arguments.map_or(0, |value| match value.text() {
            Some(arguments) => self.text(arguments),
            None => self.written(value),
        });
        PER_CALL + name + arguments
    }

    fn written(&mut self, value: Json) -> usize {
        let mut text = String::new();
        value.write(&mut text);
        self.text(&text)
    }

    /// A string, or a list of parts.
    fn content(&mut self, content: Json) -> usize {
        match content.text() {
            Some(text) => self.text(text),
            None => content.items().map(|part| self.part(part)).sum(),
        }
    }

    fn part(&mut self, part: Json) -> usize {
        match part.text_of("type").unwrap_or("text") {
            "image_url" | "input_image" => {
                let image = part.get("image_url");
                let url = image.and_then(|image| image.text().or_else(|| image.text_of("url"))).unwrap_or_default();
                let detail =
                    image.and_then(|image| image.text_of("detail")).or(part.text_of("detail")).unwrap_or("auto");
                self.image(url, detail)
            }
            "image" => {
                let source = part.get("source");
                let data =
                    source.and_then(|source| source.text_of("data").or(source.text_of("url"))).unwrap_or_default();
                self.image(data, "auto")
            }
            "tool_use" => {
                let call = self.call(part);
                self.observed += call;
                call
            }
            "tool_result" => part.get("content").map_or(0, |content| self.content(content)) + PER_MESSAGE,
            "input_audio" | "file" | "document" | "video" => {
                self.has_opaque = true;
                OPAQUE
            }
            _ => match part.text_of("text").or(part.text_of("refusal")).or(part.text()) {
                Some(text) => self.text(text),
                None => 0,
            },
        }
    }

    fn image(&mut self, source: &str, detail: &str) -> usize {
        let image = images::tokens(self.family, self.model, images::size_of(source), detail);
        self.images += image.tokens;
        self.images_slack += image.upper - image.tokens;
        image.tokens
    }

    fn tools(&mut self, body: Json, messages: Json) {
        let tools = body.get("tools").or_else(|| body.get("functions"));
        let Some(tools) = tools.filter(|tools| tools.items().next().is_some()) else { return };
        let mut text = String::with_capacity(1024);
        tools::write(tools.items(), &mut text);
        let mut tokens = self.text(&text);
        if matches!(self.family, Family::Claude { .. }) {
            // Anthropic states its tool prompt in its own tokens; the ratio will scale it, so it is scaled back here.
            tokens += scaled(CLAUDE_TOOLS, 1.0 / self.factors().0);
        } else {
            tokens += TOOLS;
            let has_system =
                messages.items().any(|message| matches!(message.text_of("role"), Some("system" | "developer")));
            if has_system {
                // The first system message gets a line break before the tools.
                tokens = (tokens + 1).saturating_sub(TOOLS_IN_SYSTEM);
            }
        }
        match body.get("tool_choice").or_else(|| body.get("function_call")) {
            Some(choice) if choice.text() == Some("none") => tokens += 1,
            Some(choice) if choice.kind() == Kind::Object => {
                let name = choice.get("function").unwrap_or(choice).text_of("name").unwrap_or_default();
                tokens += 4 + self.text(name);
            }
            _ => {}
        }
        self.observed += tokens;
        self.rest += tokens;
    }

    fn response_format(&mut self, format: Json) {
        if let Some(schema) = format.get("json_schema") {
            let tokens = RESPONSE_FORMAT
                + schema.text_of("name").map_or(0, |name| self.text(name))
                + schema.text_of("description").map_or(0, |description| self.text(description))
                + schema.get("schema").map_or(0, |schema| self.written(schema));
            self.observed += tokens;
            self.rest += tokens;
        }
    }
}

#[allow(clippy::cast_sign_loss, reason = "neither factor is negative")]
pub(super) fn scaled(tokens: usize, factor: f64) -> usize {
    (tokens as f64 * factor).round() as usize
}
