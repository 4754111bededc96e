//! Any bytes are an index or an `IndexFile` error; an index that opens can be searched.
#![no_main]

use compound_fast_core::error::ErrorKind;
use compound_fast_core::index::VectorIndex;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| match VectorIndex::from_bytes(bytes) {
    Ok(index) => {
        let mut query = vec![0.0; index.dim()];
        query[0] = 1.0;
        let found = index.search(&query, 3, None, None).expect("a query with a direction");
        assert_eq!(found.len(), index.len().min(3));
    }
    Err(error) => assert_eq!(error.kind(), ErrorKind::IndexFile),
});
