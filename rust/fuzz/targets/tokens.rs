//! Any bytes: text counts alike on every path and decodes to itself; a body is a request or an error.
#![no_main]

use compound_fast_core::tokens::{Encoding, Keep, Path, Policy, Specials, count_request, fit};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = count_request(data, "gpt-4o");
    let _ = fit(data, "claude-sonnet-4-5", 200, 20, Policy::Shorten);
    let text = String::from_utf8_lossy(data);
    for name in ["o200k_base", "o200k_harmony", "cl100k_base"] {
        let Ok(encoding) = Encoding::get(name) else { continue };
        let tokens = encoding.encode(&text);
        for &path in Path::available() {
            assert_eq!(encoding.count_by(path, &text), tokens.len(), "{name} on {path:?}");
        }
        assert_eq!(encoding.decode_bytes(&tokens).ok().as_deref(), Some(text.as_bytes()));
        let special = encoding.encode_with(&text, &Specials::All);
        assert_eq!(special.len(), encoding.count_with(&text, &Specials::All));
        assert_eq!(encoding.decode_bytes(&special).ok().as_deref(), Some(text.as_bytes()));
        for keep in [Keep::Start, Keep::End, Keep::Middle] {
            let part = encoding.truncate(&text, 7, keep);
            assert!(text.contains(part) && encoding.count_up_to(part, 7).is_some());
        }
        if let Ok(chunks) = encoding.split(&text, 9, 0) {
            let joined: String = chunks.into_iter().map(|chunk| &text[chunk]).collect();
            assert_eq!(joined, text);
        }
    }
});
