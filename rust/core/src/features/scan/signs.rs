//! Signs that change what a text asks: "5 + 3" and "5 - 3", "x > y" and "x < y", a thumb up and a thumb down.
//!
//! A vector of words sees none of them, so the cache compares texts by meaning only where their signs are the same.
//! Words in other scripts than Latin count as signs: the embedder reads them letter by letter, in no order.

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
            b'+' | b'*' | b'/' | b'<' | b'=' | b'>' | b'&' | b'|' | b'^' | b'~' | b'\\' | b'@' | b'[' | b']' | b'{'
            | b'}' => {
                self.is_formal = true;
            }
            b'-' if is_minus(before, after) => {
                self.is_formal = true;
                self.signs.push('-');
                // "ls -l" and "ls -a": one letter weighs nothing in a vector.
                let flag = after.iter().take(3).take_while(|byte| byte.is_ascii_alphabetic());
                return self.signs.extend(flag.map(|&byte| char::from(byte)));
            }
            b'$' if before.last().is_some_and(u8::is_ascii_alphabetic) => {
                // "A$5" and "C$5".
                let country = before.iter().rposition(|byte| !byte.is_ascii_alphabetic()).map_or(0, |at| at + 1);
                self.is_formal = true;
                self.signs.extend(before[country..].iter().map(|&byte| char::from(byte)));
            }
            _ if says_something(sign, before, after) => self.is_formal = true,
            b'(' | b')' | b':' | b';' => {}
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

    /// A word in another script than Latin.
    pub fn push_word(&mut self, word: &str) {
        self.signs.push(' ');
        self.signs.extend(word.chars().flat_map(char::to_lowercase));
        self.is_formal = true;
    }

    /// A line break with the blanks that the line after it is indented by. A text in canonical form holds one only where
    /// layout means something.
    pub fn push_line(&mut self, blanks: &str) {
        self.signs.push_str(blanks);
        self.is_formal = true;
    }

    /// The signs, where one of them matters.
    pub fn finish(self) -> String {
        if self.is_formal { self.signs } else { String::new() }
    }
}

/// Whether a mark of punctuation stands where prose has none: "5!", "!x", ".5", "../a", ":(", "f'(x)", "split at ; please".
fn says_something(sign: u8, before: &[u8], after: &[u8]) -> bool {
    let (last, next) = (before.last().copied().unwrap_or(b' '), after.first().copied());
    // At the end of a text, and before a new sentence, some put a blank before the mark that ends one.
    let is_alone = last == b' ' && next == Some(b' ');
    let goes_on = after.get(1).is_some_and(u8::is_ascii_lowercase);
    match sign {
        b'!' => {
            next.is_some_and(|next| next == b'=' || next.is_ascii_alphanumeric() && last == b' ')
                || is_small_number(before)
                || is_alone && goes_on
        }
        b'.' => {
            next == Some(b'/')
                || next.is_some_and(|next| next.is_ascii_digit()) && !last.is_ascii_alphanumeric()
                || last == b' ' && next == Some(b'.') && after.get(1) != Some(&b'.')
                || is_alone && goes_on
        }
        b'?' => is_alone && goes_on,
        b',' | b':' | b';' => is_alone,
        b'(' | b')' => is_alone || before.ends_with(b":") || before.ends_with(b":-") || before.ends_with(b";"),
        b'\'' => is_alone || last != b' ' && matches!(next, Some(b'(' | b'\'')),
        b'_' => true,
        _ => false,
    }
}

/// Whether a text ends in a number that an exclamation mark makes a factorial of, rather than an amount or an order.
fn is_small_number(text: &[u8]) -> bool {
    let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=3).contains(&digits) && matches!(text[..text.len() - digits].last(), None | Some(b' ' | b'(' | b'!'))
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
            ("what does ls -l do", "-l"),
            ("tar -xvf --no-same-owner", "-xvf-no"),
            ("A$5 or US$5", "A$US$"),
            ("is 5! more than 120", "!"),
            ("is !x true", "!"),
            ("is .5 or $.50 more", ".."),
            ("from ./a to ../a", "./../"),
            ("cd ..", "."),
            ("fine :( or :-) or ;)", ":(:-);)"),
            ("f'(x) and f''(x)", "'()''()"),
            ("split by ; or , or ' please", ";,'"),
            ("what does ? or _ or __ do", "?___"),
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
    fn words_in_other_scripts_are_kept_in_order() {
        assert_eq!(Features::of_text("猫は好き？（はい）、「いいえ」。").signs, " 猫は好き はい いいえ");
        assert_eq!(Features::of_text("What is Собака in English?").signs, " собака");
        assert_eq!(Features::of_text("Où est l’école à Hà Nội, Łódź?").signs, "");
    }

    #[test]
    fn punctuation_of_prose_is_no_sign() {
        for text in [
            "Hello - where is my order (the blue one): it isn't here; help!",
            "«Où est ma commande ?» — “ici”… ¿no?",
            "a well-known 30-day trial - no",
            "Where is order 12345! I paid $500! Now ... or soon... (please) !",
            "Bonjour ! Où est ma commande ? Merci .",
            "order #12345 costs $5 or 10%",
            "user@example.com at https://example.com/a?b=c&d, 5/1/2024",
        ] {
            assert_eq!(Features::of_text(text).signs, "", "{text}");
        }
    }
}
