//! Features as numbers in a fixed order, for training.

use super::{Features, QuestionType, SlotKind, Task};
use crate::request::{Layout, Shape};

/// Rises whenever a name, its meaning or its place in [`schema`] changes.
pub const SCHEMA_VERSION: u32 = 2;

/// The names of [`Features::vector`], in order.
pub fn schema() -> Vec<String> {
    let mut names = Vec::new();
    Features::default().each(&Shape::default(), Layout::default(), 0, |name, _| names.push(name.to_owned()));
    names
}

impl Features {
    /// All numbers, in the order of [`schema`]. Counts are as they are, facts 0 or 1.
    ///
    /// What a request leaves to the model's default counts as that default: a temperature of 1, one sample.
    pub fn vector(&self, shape: &Shape, layout: Layout, tokens: u32) -> Vec<f32> {
        let mut values = Vec::with_capacity(80);
        self.each(shape, layout, tokens, |_, value| values.push(value));
        values
    }

    fn each(&self, shape: &Shape, layout: Layout, tokens: u32, mut give: impl FnMut(&str, f32)) {
        let fact = |is_so: bool| f32::from(u8::from(is_so));
        for (name, count) in [
            ("chars", self.chars),
            ("bytes", self.bytes),
            ("words", self.words),
            ("sentences", self.sentences),
            ("questions", self.questions),
            ("negations", self.negations),
            ("reasoning_words", self.reasoning_words),
            ("stale_words", self.stale_words),
            ("imperatives", self.imperatives),
            ("comparisons", self.comparisons),
            ("constraints", self.constraints),
            ("creative_words", self.creative_words),
            ("parts", self.parts),
            ("maths_signs", self.maths_signs),
            ("markup_signs", self.markup_signs),
        ] {
            give(name, count as f32);
        }
        give("is_question", fact(self.is_question));
        give("has_code", fact(self.has_code));
        give("foreign", self.foreign);
        for (name, count) in [
            ("tokens", tokens),
            ("lines", layout.lines),
            ("paragraphs", layout.paragraphs),
            ("list_items", layout.list_items),
            ("table_rows", layout.table_rows),
            ("headings", layout.headings),
            ("turns", shape.turns),
            ("user_turns", shape.user_turns),
            ("assistant_turns", shape.assistant_turns),
            ("tool_turns", shape.tool_turns),
            ("system_chars", shape.system_chars),
            ("tools", shape.tools),
            ("tool_calls", shape.tool_calls),
            ("media", shape.media),
            ("images", shape.images),
            ("audio", shape.audio),
            ("samples", shape.samples.unwrap_or(1)),
        ] {
            give(name, count as f32);
        }
        give("wants_json", fact(shape.wants_json));
        give("is_stream", fact(shape.is_stream));
        give("temperature", shape.temperature.unwrap_or(1.0));
        give("top_p", shape.top_p.unwrap_or(1.0));
        give("max_output_tokens", shape.max_output_tokens.unwrap_or_default() as f32);
        for kind in QuestionType::ALL.into_iter().skip(1) {
            give(&format!("question_{}", kind.name()), fact(self.question_type == kind));
        }
        for task in Task::ALL {
            give(&format!("task_{}", task.name()), fact(self.names(task)));
        }
        for kind in SlotKind::ALL {
            give(&format!("slots_{}", kind.name()), self.slots.count(kind) as f32);
        }
    }
}
