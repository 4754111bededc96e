//! Signs of HTML and Markdown.

/// How many of `</x`, `/>`, `**` and `](` begin at the places from `base` on that `tags` has bits for.
#[inline]
pub fn signs(text: &[u8], base: usize, mut tags: u64) -> usize {
    let mut found = 0;
    while tags != 0 {
        let is_sign = match text[base + tags.trailing_zeros() as usize..] {
            [b'/', b'>', ..] | [b'*', b'*', ..] | [b']', b'(', ..] => true,
            [b'<', b'/', name, ..] => name.is_ascii_alphabetic(),
            _ => false,
        };
        found += usize::from(is_sign);
        tags &= tags - 1;
    }
    found
}
