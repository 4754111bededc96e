//! Tool definitions as OpenAI's models see them: a TypeScript namespace.
//!
//! The form was found by observation (github.com/hmarr/openai-chat-tokens, MIT) and is used by litellm too. No test is
//! published for the reasoning models and gpt-5, so a count with tools is never called exact.

use super::json::Json;

/// Descriptions deeper than this many spaces of indentation are left out.
const DESCRIBED: usize = 2;

/// Writes the definitions of `tools` (the `tools` or `functions` of a body).
pub fn write<'a>(tools: impl Iterator<Item = Json<'a>>, out: &mut String) {
    out.push_str("namespace functions {\n\n");
    for tool in tools {
        let function = tool.get("function").unwrap_or(tool);
        if let Some(description) = function.text_of("description") {
            out.push_str("// ");
            out.push_str(description);
            out.push('\n');
        }
        out.push_str("type ");
        out.push_str(function.text_of("name").unwrap_or_default());
        // Anthropic's tools name the same schema `input_schema`.
        let parameters = function.get("parameters").or_else(|| function.get("input_schema"));
        match parameters.filter(|schema| schema.get("properties").is_some_and(|found| found.members().next().is_some()))
        {
            Some(schema) => {
                out.push_str(" = (_: {\n");
                properties(schema, 0, out);
                out.push_str("\n}) => any;\n\n");
            }
            None => out.push_str(" = () => any;\n\n"),
        }
    }
    out.push_str("} // namespace functions");
}

fn properties(schema: Json, indent: usize, out: &mut String) {
    let mut is_first = true;
    for (name, property) in schema.get("properties").into_iter().flat_map(Json::members) {
        let mut line = |out: &mut String| {
            if !is_first {
                out.push('\n');
            }
            is_first = false;
            out.extend(std::iter::repeat_n(' ', indent));
        };
        if indent < DESCRIBED
            && let Some(description) = property.text_of("description")
        {
            line(out);
            out.push_str("// ");
            out.push_str(description);
        }
        line(out);
        out.push_str(name);
        let is_required = schema.items_of("required").any(|known| known.text() == Some(name));
        out.push_str(if is_required { ": " } else { "?: " });
        kind(property, indent, out);
        out.push(',');
    }
}

fn kind(property: Json, indent: usize, out: &mut String) {
    let mut choices = property.items_of("enum");
    if let Some(first) = choices.next() {
        first.write(out);
        for choice in choices {
            out.push_str(" | ");
            choice.write(out);
        }
        return;
    }
    match property.text_of("type").unwrap_or("any") {
        "integer" => out.push_str("number"),
        "array" => match property.get("items") {
            Some(items) => {
                kind(items, indent, out);
                out.push_str("[]");
            }
            None => out.push_str("any[]"),
        },
        "object" => {
            out.push_str("{\n");
            properties(property, indent + 2, out);
            out.push_str("\n}");
        }
        other => out.push_str(other),
    }
}
