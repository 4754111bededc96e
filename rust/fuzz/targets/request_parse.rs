//! Any bytes are a request or a `Text` error; never a panic, and the same bytes are the same request twice.
#![no_main]

use compound_fast_core::error::ErrorKind;
use compound_fast_core::request::Request;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let first = Request::parse(body.to_vec(), "tenant", "");
    let second = Request::parse(body.to_vec(), "tenant", "");
    match (first, second) {
        (Ok(first), Ok(second)) => {
            assert_eq!(first.body(), body);
            assert_eq!(first.text(), second.text());
        }
        (Err(error), Err(_)) => assert_eq!(error.kind(), ErrorKind::Text),
        _ => panic!("the same bytes parsed once and failed once"),
    }
});
