//! Signs that change what a text asks: "5 + 3" and "5 - 3", "x > y" and "x < y", a thumb up and a thumb down.
//!
//! A vector of words sees none of them, so the cache compares texts by meaning only where their signs are the same.

/// The signs of a text, in its order.
#[derive(Debug, Default)]
pub struct Signs {
    signs: String,
    /// Whether one of them says more than brackets and colons do, which stand in prose as well.
    is_formal: bool,
}

impl Signs {
    /// A sign of ASCII between the text before it and the text after it.
    #[inline]
    pub fn push(&mut self, sign: u8, before: &[u8], after: &[u8]) {
        match sign {
            b'(' | b')' | b':' | b';' => {}
            b'+' | b'*' | b'/' | b'<' | b'=' | b'>' | b'&' | b'|' | b'^' | b'~' | b'\\' | b'@' | b'[' | b']' | b'{'
            | b'}' => {
                self.is_formal = true;
            }
            b'!' if after.first() == Some(&b'=') => self.is_formal = true,
            b'-' if is_minus(before, after) => self.is_formal = true,
            _ => return,
        }
        self.signs.push(char::from(sign));
    }

    /// A sign outside ASCII: a symbol, an emoji; typographic punctuation is none.
    pub fn push_char(&mut self, sign: char, before: &[u8], after: &[u8]) {
        match sign {
            '\u{2212}' | '\u{2013}' => self.push(b'-', before, after),
            sign if is_punctuation(sign) => {}
            sign => {
                self.signs.push(sign);
                self.is_formal = true;
            }
        }
    }

    /// A line break, and how far the line after it is indented. A text in canonical form holds one only where layout
    /// means something.
    pub fn push_line(&mut self, from_break: &str) {
        let line = from_break.trim_start_matches(char::is_whitespace);
        let blanks = &from_break[..from_break.len() - line.len()];
        // Of several breaks in a row the last one counts.
        if blanks.rfind('\n') == Some(0) {
            self.signs.push_str(blanks);
            self.is_formal = true;
        }
    }

    /// The signs, where one of them matters.
    pub fn finish(self) -> String {
        if self.is_formal { self.signs } else { String::new() }
    }
}

/// Whether a hyphen takes away, or opens a number or a flag, rather than joins words: "5 - 3", "-5 degrees", "ls -l".
fn is_minus(before: &[u8], after: &[u8]) -> bool {
    let is_operand =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'(' | b')' | b'[' | b']' | b'$' | b'.' | 128..);
    let is_free = before.last().is_none_or(|byte| !is_operand(byte));
    if is_free && after.first().is_some_and(is_operand) {
        return true;
    }
    let right = after.iter().find(|byte| **byte != b' ');
    let left = before.iter().rfind(|byte| **byte != b' ');
    left.is_some_and(is_operand) && right.is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'(' | b'$'))
}

/// Punctuation of any script, and what is not seen.
fn is_punctuation(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{a1}' | '«' | '\u{ad}' | '´' | '·' | '»' | '¿'
        | '\u{55a}'..='\u{55f}' | '\u{589}' | '\u{58a}' | '\u{5be}' | '\u{5c0}' | '\u{5c3}' | '\u{5f3}' | '\u{5f4}'
        | '\u{60c}' | '\u{61b}' | '\u{61f}' | '\u{640}' | '\u{66a}'..='\u{66d}' | '\u{6d4}'
        | '\u{964}' | '\u{965}' | '\u{e4f}' | '\u{10fb}' | '\u{1361}'..='\u{1368}'
        | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}' | '\u{30fb}' | '\u{fe00}'..='\u{fe1f}' | '\u{fe30}'..='\u{fe4f}'
        | '\u{feff}' | '！' | '（' | '）' | '，' | '．' | '：' | '；' | '？' | '\u{ff61}'..='\u{ff65}')
}

#[cfg(test)]
mod tests {
    use crate::features::Features;

    #[test]
    fn signs_that_change_the_question_are_kept_in_order() {
        for (text, signs) in [
            ("What is 5 + 3?", "+"),
            ("What is 5 - 3?", "-"),
            ("what is 12-7", "-"),
            ("12 \u{2212} 7", "-"),
            ("is it -5 degrees", "-"),
            ("what does ls -l do", "-"),
            ("x > y", ">"),
            ("a != b or a == b", "!==="),
            ("(a + b) * c", "(+)*"),
            ("a + (b * c)", "+(*)"),
            ("solve x % y^2", "^%"),
            ("good \u{1f44d}\u{fe0f}!", "\u{1f44d}"),
            ("f[0] : ", "[]:"),
            ("if x:\n    y\n\nz", ":\n    \n"),
        ] {
            assert_eq!(Features::of_text(text).signs, signs, "{text}");
        }
    }

    #[test]
    fn punctuation_of_prose_is_no_sign() {
        for text in [
            "Hello - where is my order (the blue one): it isn't here; help!",
            "«Où est ma commande ?» — “ici”… ¿no?",
            "a well-known 30-day trial - no",
            "猫は好き？（はい）、「いいえ」。",
            "order #12345 costs $5 or 10%",
            "user@example.com at https://example.com/a?b=c&d, 5/1/2024",
        ] {
            assert_eq!(Features::of_text(text).signs, "", "{text}");
        }
    }
}
